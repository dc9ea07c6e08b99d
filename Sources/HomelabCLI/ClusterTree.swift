import Diagnostics
import FileSystem
import KubernetesModel
import Kustomize
import Reconciliation

/// `clusters/<cluster>/` on disk and the units in it, rendered as the agent renders them.
struct ClusterTree {
    /// From the root of the repository.
    let directory: String
    var root = "."
    /// What the unit of the directory is called; nil where nobody knows it.
    var own: Ownership?
    /// The branch that the agents follow, and the repository's URL where the inventory names one; nil where nobody knows.
    var branch: String?
    var url: String?
    /// Whether the inventory has the agents answer webhooks, and fetch bases by URL.
    var answersWebhooks = false
    var allowsRemoteBases = false

    /// How many objects it makes (nil when it cannot be rendered) and everything that is wrong with it.
    func check() -> (objects: Int?, problems: Diagnostics) {
        guard Files.exists(root + "/" + directory) else {
            return (
                nil,
                Diagnostics([
                    Diagnostic(
                        .warning, "there is no \(directory) in this folder, so nothing would run",
                        remedy: "run this in the root of the repository; homelab init shows how one looks")
                ])
            )
        }
        do {
            let units = try units()
            var problems = units.problems
            problems.append(contentsOf: unserved(units.all))
            return (units.objects == nil ? nil : units.all.count, problems)
        } catch {
            return (nil, error)
        }
    }

    func units() throws(Diagnostics) -> RepositoryUnits {
        let path = KustomizationSpec.normalised(directory)
        let setting = RepositoryUnits.Setting(own: own, branch: branch, url: url, allowsRemoteBases: allowsRemoteBases)
        let units = RepositoryUnits(try Self.files(at: root, ignore: nil), path: path, setting)
        guard let ignore = units.ignore else { return units }
        return RepositoryUnits(try Self.files(at: root, ignore: ignore), path: path, setting)
    }

    /// Objects of Flux' kinds that the agent does not serve, one warning for each kind.
    private func unserved(_ manifests: [Manifest]) -> Diagnostics {
        let foreign = manifests.filter {
            FluxKinds.isForeign($0.key.groupKind)
                && !(answersWebhooks && $0.groupVersionKind == FluxKinds.receiver && ReceiverSpec(of: $0).sender != nil)
        }
        let byKind = Dictionary(grouping: foreign) { $0.key.groupKind }
        return Diagnostics(
            byKind.sorted { $0.key.description < $1.key.description }.map { kind, objects in
                Diagnostic(
                    .warning, "\(objects.count) \(kind.kind): the agent does not act on these", subject: objects[0].key.description,
                    at: objects[0].origin, remedy: FluxKinds.substitute(for: kind))
            })
    }

    /// Renders a directory of this machine; messages name files as the person did.
    static func render(_ directory: String, _ options: BuildOptions) throws(Diagnostics) -> BuildResult {
        let (build, path) = try build(directory, options)
        return try build.result(path)
    }

    /// What renders a directory, and the directory's path as it knows it.
    static func build(_ directory: String, _ options: BuildOptions) throws(Diagnostics) -> (build: KustomizeBuild, path: String) {
        var options = options
        let root: DiskFileTree
        let path: String
        do {
            root = try DiskFileTree(root: "/")
            path = try Files.realPath(directory)
            options.displayBase = String(try Files.realPath(".").dropFirst())
        } catch {
            throw Diagnostics([Diagnostic(.error, "cannot be read", subject: directory, cause: error.description)])
        }
        return (KustomizeBuild(files: root, options: options), String(path.dropFirst()))
    }

    /// The files of a repository on this machine that are source.
    /// - Parameter source: the GitRepository that the agent would read them by.
    static func files(at directory: String, of source: Manifest?) throws(Diagnostics) -> SourceFileTree {
        try files(at: directory, ignore: source.flatMap { GitRepositorySpec(of: $0).ignore })
    }

    private static func files(at directory: String, ignore: String?) throws(Diagnostics) -> SourceFileTree {
        let cause: String
        do throws(FileError) {
            let disk = try DiskFileTree(root: directory)
            do throws(FileTreeError) { return try SourceFileTree(disk, ignore: ignore) } catch { cause = error.reason }
        } catch {
            cause = error.description
        }
        throw Diagnostics([Diagnostic(.error, "cannot be read", subject: directory, cause: cause)])
    }
}
