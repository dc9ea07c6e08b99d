package import ArgumentParser
import Git

/// `homelab git-init`: makes the bare repository on the first server.
package struct GitInit: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "git-init", abstract: "Make an empty bare repository, unless there is one.", shouldDisplay: false)

    @Argument var directory: String
    @Option var branch = "main"

    package init() {}

    package func run() async throws { _ = try await Repository(openingOrMaking: directory, branch: branch) }
}

/// `git-receive-pack`: what `git push` talks to.
package struct GitReceivePack: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "git-receive-pack", abstract: "Answer git push on standard input and output.", shouldDisplay: false)

    @Argument var directory: String

    package init() {}

    package func run() throws {
        try GitServer.receivePack(path: directory, notice: "homelab has it; `homelab status` shows what becomes of it")
    }
}

/// `git-upload-pack`: what `git fetch` and `git clone` talk to.
package struct GitUploadPack: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "git-upload-pack", abstract: "Answer git fetch and clone on standard input and output.", shouldDisplay: false)

    @Argument var directory: String
    @Flag var strict = false
    @Option var timeout: Int?

    package init() {}

    package func run() throws { try GitServer.uploadPack(path: directory) }
}
