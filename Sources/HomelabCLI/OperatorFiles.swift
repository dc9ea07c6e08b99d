import Diagnostics
import FileSystem
import NodeInventory

/// The keys and secrets on the operator's machine that an inventory names. They may be on another machine than the one that validates, so
/// that nothing here is an error; but a login that fails for want of them should not be the first to tell.
enum OperatorFiles {
    static func findings(_ spec: ClusterSpec, inventoryDirectory: String) -> Diagnostics {
        var found = Diagnostics()
        var told: Set<String> = []
        for node in spec.nodes where node.state != .absent {
            for (login, location) in [(node.login, node.location)] + node.jumps.map({ ($0.login, $0.location) }) {
                for file in login.identityFiles where told.insert(file).inserted {
                    let path = Files.expandingHome(file)
                    // The SSH agent may hold the key of which only the public half is here.
                    if !Files.exists(path), Files.exists(path + ".pub") { continue }
                    found.append(contentsOf: check("the identity file \(file)", path, "ssh-keygen -t ed25519 -f \(path)", node, location))
                }
                for case .file(let file)? in [login.password, login.passphrase] where told.insert(file).inserted {
                    found.append(contentsOf: secret(file, inventoryDirectory, node, location))
                }
            }
            if case .file(let file)? = node.sudoPassword, told.insert(file).inserted {
                found.append(contentsOf: secret(file, inventoryDirectory, node, node.location))
            }
        }
        return found
    }

    /// Where a file is that an inventory in a directory names.
    static func path(_ file: String, from directory: String) -> String {
        let expanded = Files.expandingHome(file)
        return expanded.hasPrefix("/") ? expanded : directory + "/" + expanded
    }

    private static func secret(_ file: String, _ directory: String, _ node: NodeSpec, _ location: SourceLocation) -> Diagnostics {
        let path = path(file, from: directory)
        return check("the secret's file \(file)", path, "umask 077; cat >\(path)", node, location)
    }

    private static func check(
        _ what: String, _ path: String, _ making: String, _ node: NodeSpec, _ location: SourceLocation
    ) -> Diagnostics {
        var found = Diagnostics()
        let tell = { (summary: String, remedy: String) in
            found.append(Diagnostic(.warning, summary, subject: "node \(node.name)", at: location, remedy: remedy))
        }
        do throws(FileError) {
            let status = try Files.status(path)
            if status.kind == .directory {
                tell("\(what) is a directory", "name the file in it")
            } else if status.kind == .file, status.mode & 0o077 != 0 {
                tell("\(what) can be read by others", "`chmod 600 \(path)`")
            } else if !Files.isReadable(path) {
                tell("\(what) cannot be read", "run this as the one it belongs to, or `chmod u+r \(path)`")
            }
        } catch {
            tell("\(what) is not here: \(error.reason)", "make it (`\(making)`), or name the right one in the inventory")
        }
        return found
    }
}
