internal import FileSystem
package import NodePlanning

extension ServiceWords {
    /// Of the machine that this program runs on.
    package static var here: ServiceWords { ServiceWords(usesOpenRC: !Files.exists("/run/systemd/system")) }
}
