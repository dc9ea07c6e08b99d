internal import Cryptography
internal import Diagnostics
internal import FileSystem
internal import HTTP
internal import YAML

/// Kubeconfig files, merged as kubectl merges them: of two entries with one name the first file's wins.
package struct Kubeconfig: Sendable {
    private struct Entry {
        var value: Value
        /// The file it is from; relative paths in it are relative to that file's folder.
        var file: String
    }

    private var clusters: [String: Entry] = [:]
    private var users: [String: Entry] = [:]
    private var contexts: [String: Entry] = [:]
    /// In the order of the files.
    package private(set) var contextNames: [String] = []
    package private(set) var currentContext: String?
    private var files: [String] = []
    /// It is no file here, so that what it names by path is nothing of ours to read.
    private var isSelfContained = false

    /// Reads all of the files that exist.
    /// - Throws: `Diagnostic` when there is none, or one cannot be read.
    package static func load(_ paths: [String]) throws -> Kubeconfig {
        var config = Kubeconfig()
        for path in paths where !path.isEmpty {
            let text: String
            do {
                text = try Files.readText(path, limit: 16 << 20)
            } catch  where error.isNotFound {
                continue
            } catch {
                throw Diagnostic(
                    .error, "the kubeconfig cannot be read", at: SourceLocation(file: path, line: 1), cause: error.reason,
                    remedy: "Check who owns the file, or name another with --kubeconfig.")
            }
            try config.merge(text, file: path)
        }
        if config.files.isEmpty {
            throw Diagnostic(
                .error, "there is no kubeconfig", cause: "looked for \(paths.joined(separator: ", "))",
                remedy: "Name one with --kubeconfig or in KUBECONFIG; `homelab bootstrap` writes one.")
        }
        return config
    }

    /// The connection of the current context of a kubeconfig that somebody else wrote: all it needs must be in it, nothing of this machine
    /// is read for it, and the server has to prove who it is.
    /// - Parameter name: where it comes from, for messages.
    /// - Throws: `Diagnostic` that names what is missing, or what it may not ask for.
    package static func connection(selfContained text: String, name: String) throws -> ClusterConnection {
        var config = Kubeconfig()
        config.isSelfContained = true
        try config.merge(text, file: name)
        return try config.connection()
    }

    /// The files that kubectl would read: those of KUBECONFIG, or `~/.kube/config`.
    package static func defaultPaths(environment: [String: String]) -> [String] {
        if let listed = environment["KUBECONFIG"], !listed.isEmpty { return listed.split(separator: ":").map(String.init) }
        return environment["HOME"].map { ["\($0)/.kube/config"] } ?? []
    }

    package init() {}

    /// Adds the entries of one file's text.
    package mutating func merge(_ text: String, file: String) throws {
        let document: Value
        do {
            document = try YAMLReader.values(text, file: file).first ?? .null
        } catch {
            let place = isSelfContained ? nil : SourceLocation(file: file, line: 1)
            throw Diagnostic(
                .error, "the kubeconfig is no YAML", subject: isSelfContained ? file : nil, at: place, cause: String(describing: error))
        }
        files.append(file)
        if currentContext == nil, let current = document["current-context"]?.string, !current.isEmpty { currentContext = current }
        for (section, keep) in [("clusters", \Kubeconfig.clusters), ("users", \.users), ("contexts", \.contexts)] {
            for item in document[section]?.array ?? [] {
                guard let name = item["name"]?.string else { continue }
                if self[keyPath: keep][name] != nil { continue }
                if section == "contexts" { contextNames.append(name) }
                let value = item[String(section.dropLast())] ?? .null
                self[keyPath: keep][name] = Entry(value: value, file: file)
            }
        }
    }

    /// The connection of a context, of the current one by default; the files it names are read now.
    /// - Throws: `Diagnostic` that names the file and what is missing in it.
    package func connection(context name: String? = nil) throws -> ClusterConnection {
        guard let name = name ?? currentContext else {
            throw problem(
                "the kubeconfig has no current context",
                remedy: (isSelfContained ? "Set current-context" : "Choose one with --context")
                    + ": \(contextNames.joined(separator: ", ")).")
        }
        guard let context = contexts[name] else {
            throw problem("the kubeconfig has no context \"\(name)\"", remedy: "It has: \(contextNames.joined(separator: ", ")).")
        }
        let clusterName = context.value["cluster"]?.string ?? ""
        guard let cluster = clusters[clusterName] else {
            throw problem("context \"\(name)\" names the cluster \"\(clusterName)\", which is not there", in: context.file)
        }
        guard var server = cluster.value["server"]?.string, !server.isEmpty else {
            throw problem("cluster \"\(clusterName)\" has no server", in: cluster.file)
        }
        for unsupported in ["proxy-url", "tls-server-name"] where !(cluster.value[unsupported]?.string ?? "").isEmpty {
            throw problem(
                "cluster \"\(clusterName)\" has a \(unsupported), which is not supported", in: cluster.file,
                remedy: "Name the server by an address that its certificate holds and that can be reached directly.")
        }
        while server.hasSuffix("/") { server.removeLast() }
        if !server.contains("://") { server = "https://" + server }

        var tls = TLSOptions()
        tls.insecureSkipVerify = cluster.value["insecure-skip-tls-verify"]?.bool ?? false
        if isSelfContained, tls.insecureSkipVerify {
            throw problem(
                "cluster \"\(clusterName)\" has insecure-skip-tls-verify: anybody on the way could take its credentials", in: cluster.file,
                remedy: "Give certificate-authority-data with the server's authority.")
        }
        tls.trustRoots = try text("certificate-authority", of: cluster, named: "cluster \"\(clusterName)\"")
        var credentials = ClusterConnection.Credentials.none
        if let userName = context.value["user"]?.string, !userName.isEmpty {
            guard let user = users[userName] else {
                throw problem("context \"\(name)\" names the user \"\(userName)\", who is not there", in: context.file)
            }
            let title = "user \"\(userName)\""
            try refusePlugins(user, title)
            tls.clientCertificate = try text("client-certificate", of: user, named: title)
            tls.clientKey = try text("client-key", of: user, named: title)
            if (tls.clientCertificate == nil) != (tls.clientKey == nil) {
                throw problem("\(title) has only one of client-certificate and client-key", in: user.file)
            }
            credentials = try self.credentials(of: user, title)
        }
        let namespace = context.value["namespace"]?.string ?? ""
        return ClusterConnection(
            server: server, tls: tls, credentials: credentials, namespace: namespace.isEmpty ? "default" : namespace, context: name)
    }

    private func credentials(of user: Entry, _ title: String) throws -> ClusterConnection.Credentials {
        if let file = user.value["tokenFile"]?.string, !file.isEmpty {
            if isSelfContained { throw fileProblem(title, "tokenFile", file, inline: "token") }
            return .tokenFile(absolute(file, beside: user.file))
        }
        if let token = user.value["token"]?.string, !token.isEmpty { return .token(Secret(token)) }
        if let name = user.value["username"]?.string, let password = user.value["password"]?.string {
            return .basic(user: name, password: Secret(password))
        }
        return .none
    }

    private func refusePlugins(_ user: Entry, _ title: String) throws {
        let plugin = user.value[path: "exec", "command"]?.string ?? user.value[path: "auth-provider", "name"]?.string
        guard let plugin else { return }
        throw problem(
            "\(title) gets its credentials from the plug-in \"\(plugin)\", and plug-ins are not run", in: user.file,
            remedy: "Use a kubeconfig with a client certificate or a token, such as the one k3s writes.")
    }

    /// `<field>-data` (base64) or the contents of the file that `<field>` names.
    private func text(_ field: String, of entry: Entry, named title: String) throws -> String? {
        if let data = entry.value["\(field)-data"]?.string, !data.isEmpty {
            guard let bytes = Base64.decode(data) else {
                throw problem("\(title): \(field)-data is no base64", in: entry.file)
            }
            return String(decoding: bytes, as: UTF8.self)
        }
        guard let path = entry.value[field]?.string, !path.isEmpty else { return nil }
        if isSelfContained { throw fileProblem(title, field, path, inline: field + "-data") }
        do {
            return try Files.readText(absolute(path, beside: entry.file), limit: 1 << 20)
        } catch {
            throw Diagnostic(
                .error, "\(title): its \(field) cannot be read", at: SourceLocation(file: entry.file, line: 1), cause: error.description)
        }
    }

    private func absolute(_ path: String, beside file: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return String(file[...slash]) + path
    }

    private func fileProblem(_ title: String, _ field: String, _ path: String, inline: String) -> Diagnostic {
        problem("\(title): \(field) names the file \(path), which is on some other machine", remedy: "Put what it holds into \(inline).")
    }

    private func problem(_ summary: String, in file: String? = nil, remedy: String? = nil) -> Diagnostic {
        if isSelfContained { return Diagnostic(.error, summary, subject: files.first, remedy: remedy) }
        let place = (file ?? files.first).map { SourceLocation(file: $0, line: 1) }
        return Diagnostic(.error, summary, at: place, remedy: remedy)
    }
}
