package import ArgumentParser
import Git

/// `homelab git-serve`: the forced command of the other servers' deploy keys; it can only read.
package struct GitServe: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "git-serve", abstract: "Answer git fetch of one repository, whatever the client asked for.", shouldDisplay: false)

    @Argument var directory: String

    package init() {}

    package func run() throws { try GitServer.uploadPack(path: directory) }
}
