import ArgumentParser
import Diagnostics
import FileSystem
import Glibc
import NodeInventory
import YAML

/// `-i inventory/<cluster>.yaml`, or the only one there is.
struct InventoryOption: ParsableArguments {
    @Option(name: [.short, .customLong("inventory")], help: "The inventory; the only file in inventory/ when it is not given.")
    var inventory: String?

    /// The file meant, as a path the messages can show.
    func path() throws -> String {
        if let inventory { return inventory }
        let found = ((try? Files.list("inventory")) ?? []).filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }
            .filter { !$0.hasSuffix(".lock.yaml") }
        switch found.count {
        case 1: return "inventory/" + found[0]
        case 0:
            throw Diagnostic(
                .error, "there is no inventory here",
                remedy: "run this in the repository's folder, name one with -i, or begin with homelab init")
        default:
            throw Diagnostic(
                .error, "there are several inventories here: \(found.joined(separator: ", "))",
                remedy: "name one with -i inventory/NAME.yaml")
        }
    }

    /// Reads and checks it; what is wrong without stopping anything is printed.
    func load() async throws -> (path: String, spec: ClusterSpec) {
        let path = try path()
        let (spec, warnings) = try await Self.load(path)
        for warning in warnings.sorted { Console.standard.problem(warning.description) }
        return (path, spec)
    }

    /// The inventory at `path`, and what is wrong without stopping anything. Throws all problems at once, those with its files among them.
    /// - Parameter isTimeZone: whether there is a time zone of this name; nil where nobody can say.
    static func load(
        _ path: String, isTimeZone: ((String) -> Bool)? = nil
    ) async throws(Diagnostics) -> (spec: ClusterSpec, warnings: Diagnostics) {
        let (texts, unreadable) = read(around: path)
        var (spec, warnings) = try ClusterSpec.loadWithWarnings(path, files: texts, unreadable: unreadable, isTimeZone: isTimeZone)
        warnings.append(contentsOf: OperatorFiles.findings(spec, inventoryDirectory: Files.directoryName(path)))
        warnings.append(contentsOf: await CommittedSecrets.findings(spec, inventory: path))
        return (spec, warnings)
    }

    /// The inventory with the files that belong to it, path -> text.
    static func texts(around path: String) throws(Diagnostics) -> [String: String] {
        let (texts, unreadable) = read(around: path)
        try unreadable.throwIfErrors()
        return texts
    }

    /// A file that is there and cannot be read is told: passed over in silence, its node would seem to have been taken out.
    private static func read(around path: String) -> (texts: [String: String], unreadable: Diagnostics) {
        var (texts, unreadable) = ([String: String](), Diagnostics())
        var files = [path, ClusterSpec.lockFile(of: path)]
        let directory = ClusterSpec.nodeDirectory(of: path)
        do throws(FileError) {
            if try Files.statusIfPresent(directory, followLinks: false) != nil {
                files += try Files.list(directory).filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.map { directory + "/" + $0 }
            }
        } catch {
            unreadable.append(problem(error, directory))
        }
        for file in files {
            do throws(FileError) {
                guard try Files.statusIfPresent(file, followLinks: false) != nil else { continue }
                let bytes = try Files.read(file, limit: YAMLLimits.default.bytes)
                texts[file] = String(validating: bytes, as: UTF8.self)
                if texts[file] == nil { unreadable.append(noText(bytes, file)) }
            } catch {
                unreadable.append(problem(error, file))
            }
        }
        return (texts, unreadable)
    }

    private static func problem(_ error: FileError, _ file: String) -> Diagnostic {
        let remedy =
            switch error.code {
            case ELOOP: "the link leads back to itself: put the file in its place"
            case ENOENT: "the link leads to nothing: put the file in its place, or remove it"
            case EISDIR: "it has to be a file: give the folder another name"
            case EACCES: "`chmod u+r \(file)`, or run this as the one it belongs to"
            case EFBIG: "an inventory has a few kilobytes: see what was written into it"
            default: "put a file that can be read in its place"
            }
        return Diagnostic(.error, "it cannot be read", at: SourceLocation(file: file, line: 1), cause: error.reason, remedy: remedy)
    }

    private static func noText(_ bytes: [UInt8], _ file: String) -> Diagnostic {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let line = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
        return Diagnostic(
            .error, "it is no UTF-8 text", at: SourceLocation(file: file, line: line + 1),
            remedy: "save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`, or whatever it is in now)")
    }
}
