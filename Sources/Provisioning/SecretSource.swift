package import Diagnostics
internal import FileSystem
package import NodeInventory
internal import Synchronization

/// Fetches the secrets the inventory only names: from a file, the environment, or by asking the operator; each is fetched once per run.
package final class SecretSource: Sendable {
    /// Shows a prompt and reads an answer without echo; nil when nobody can be asked or the operator gave up. May block.
    package typealias Prompt = @Sendable (_ question: String) -> String?

    private let prompt: Prompt?
    /// What relative file names are relative to.
    private let base: String
    private let onFetched: @Sendable (Secret) -> Void
    /// Held while asking, so that the questions of several nodes come one after the other.
    private let known = Mutex<[String: Secret]>([:])

    /// - Parameters:
    ///   - base: the inventory file's directory.
    ///   - prompt: nil where no operator is (the agent, a pipe).
    ///   - onFetched: told every secret, so that logs can blank it.
    package init(base: String, prompt: Prompt?, onFetched: @escaping @Sendable (Secret) -> Void = { _ in }) {
        self.base = base
        self.prompt = prompt
        self.onFetched = onFetched
    }

    /// The secret behind a reference.
    /// - Parameters:
    ///   - question: what a prompt asks ("Password for debian@m1 (sudo)"); answers are kept by this text.
    ///   - subject: what the finding is about when it cannot be had ("node "m1"").
    package func secret(_ reference: SecretReference, question: String, subject: String) throws(Diagnostic) -> Secret {
        let key = reference == .prompt ? "prompt \(question)" : reference.description
        return try known.withLock { cache throws(Diagnostic) in
            if let secret = cache[key] { return secret }
            let secret = try fetch(reference, question: question, subject: subject)
            cache[key] = secret
            onFetched(secret)
            return secret
        }
    }

    /// Asks the operator even without a reference; nil when nobody can be asked.
    package func ask(_ question: String) -> Secret? {
        guard prompt != nil else { return nil }
        return try? secret(.prompt, question: question, subject: question)
    }

    /// Forgets an answer that turned out to be wrong, so that the next question is put again.
    package func forget(question: String) { known.withLock { $0["prompt \(question)"] = nil } }

    private func fetch(_ reference: SecretReference, question: String, subject: String) throws(Diagnostic) -> Secret {
        switch reference {
        case .file(let name):
            let expanded = Files.expandingHome(name)
            let path = expanded.hasPrefix("/") ? expanded : base + "/" + expanded
            do throws(FileError) {
                return Secret(try Files.readText(path, limit: 1 << 16).trimmingLineBreaks)
            } catch {
                throw Diagnostic(
                    .error, "cannot read a secret that the inventory names", subject: subject, cause: error.description,
                    remedy: "Write the secret to that file (mode 0600), or change the reference in the inventory.")
            }
        case .environment(let name):
            guard let text = Files.environment(name) else {
                throw Diagnostic(
                    .error, "the environment variable \(name) that the inventory names is not set", subject: subject,
                    remedy: "Set it for this command: `\(name)=… homelab …`.")
            }
            return Secret(text)
        case .prompt:
            guard let text = prompt?(question) else {
                throw Diagnostic(
                    .error, "a password has to be asked for, and there is nobody to ask", subject: subject, cause: question,
                    remedy: "Run it on a terminal, or name a file or an environment variable in the inventory.")
            }
            return Secret(text)
        }
    }
}
