import Diagnostics
import Foundation
import HTTP
import KubernetesClient
import Testing

struct KubeconfigTests {
    private let text = """
        apiVersion: v1
        kind: Config
        current-context: home
        clusters:
        - name: home
          cluster: {server: "https://10.0.0.1:6443/", certificate-authority-data: Q0E=}
        - name: loose
          cluster: {server: "https://10.0.0.2:6443", insecure-skip-tls-verify: true}
        - name: proxied
          cluster: {server: "https://10.0.0.3:6443", proxy-url: "http://proxy:3128"}
        users:
        - name: admin
          user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}
        - name: bot
          user: {token: t0k3n}
        - name: cloud
          user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: aws}}
        - name: half
          user: {client-certificate-data: Q0VSVA==}
        - name: rotated
          user: {tokenFile: token}
        - name: files
          user: {client-certificate: c.crt, client-key: missing.key}
        contexts:
        - name: home
          context: {cluster: home, user: admin, namespace: web}
        - name: bot
          context: {cluster: loose, user: bot}
        - name: cloud
          context: {cluster: home, user: cloud}
        - name: half
          context: {cluster: home, user: half}
        - name: nobody
          context: {cluster: home, user: ghost}
        - name: proxied
          context: {cluster: proxied, user: admin}
        - name: rotated
          context: {cluster: home, user: rotated}
        """

    private func config() throws -> Kubeconfig {
        var config = Kubeconfig()
        try config.merge(text, file: "/etc/k/config")
        return config
    }

    @Test func `the current context with inline data`() throws {
        let connection = try config().connection()
        #expect(connection.server == "https://10.0.0.1:6443")
        #expect(connection.tls == TLSOptions(trustRoots: "CA", clientCertificate: "CERT", clientKey: "KEY"))
        #expect(connection.namespace == "web" && connection.context == "home" && connection.credentials == .none)
    }

    @Test func `a token, a token file, and a named context`() throws {
        let bot = try config().connection(context: "bot")
        #expect(bot.credentials == .token(Secret("t0k3n")) && bot.namespace == "default" && bot.tls.insecureSkipVerify)
        #expect(try config().connection(context: "rotated").credentials == .tokenFile("/etc/k/token"))
        #expect(!"\(bot)".contains("t0k3n"))
    }

    @Test(arguments: [
        ("cloud", "user \"cloud\" gets its credentials from the plug-in \"aws\", and plug-ins are not run"),
        ("half", "user \"half\" has only one of client-certificate and client-key"),
        ("nobody", "context \"nobody\" names the user \"ghost\", who is not there"),
        ("proxied", "cluster \"proxied\" has a proxy-url, which is not supported"),
        ("absent", "the kubeconfig has no context \"absent\""),
    ])
    func `what cannot work is told`(context: String, summary: String) throws {
        let config = try config()
        let problem = #expect(throws: Diagnostic.self) { _ = try config.connection(context: context) }
        #expect(problem?.summary == summary)
        #expect(problem?.location?.file == "/etc/k/config")
    }

    @Test func `files are merged, the first wins, and named files are read beside them`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ name: String, _ text: String) throws -> String {
            let file = folder.appending(path: name)
            try text.write(to: file, atomically: true, encoding: .utf8)
            return file.path
        }
        _ = try write("ca.crt", "AUTHORITY")
        let first = try write(
            "a",
            "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: https://a, certificate-authority: ca.crt}}]"
        )
        let second = try write(
            "b", "current-context: z\nclusters: [{name: c, cluster: {server: https://b}}]\ncontexts: [{name: z, context: {cluster: c}}]")
        let config = try Kubeconfig.load([first, folder.appending(path: "none").path, second])
        #expect(config.contextNames == ["x", "z"] && config.currentContext == "x")
        #expect(try config.connection(context: "z").server == "https://a")
        #expect(try config.connection().tls.trustRoots == "AUTHORITY")
        #expect(throws: Diagnostic.self) { _ = try Kubeconfig.load([folder.appending(path: "none").path]) }
    }

    // MARK: Somebody else's

    private func selfContained(_ cluster: String = "server: https://far:6443", user: String = "token: t") throws -> ClusterConnection {
        try Kubeconfig.connection(
            selfContained: """
                current-context: c
                clusters: [{name: c, cluster: {\(cluster)}}]
                users: [{name: u, user: {\(user)}}]
                contexts: [{name: c, context: {cluster: c, user: u}}]
                """, name: "Secret/default/far")
    }

    @Test func `a kubeconfig from elsewhere holds all that it needs`() throws {
        let connection = try selfContained(
            "server: https://far:6443, certificate-authority-data: Q0E=", user: "client-certificate-data: Q0VSVA==, client-key-data: S0VZ")
        #expect(connection.tls == TLSOptions(trustRoots: "CA", clientCertificate: "CERT", clientKey: "KEY"))
        #expect(try selfContained(user: "username: a, password: b").credentials == .basic(user: "a", password: Secret("b")))
        #expect(try selfContained().credentials == .token(Secret("t")))
    }

    @Test(arguments: [
        ("server: https://far:6443, certificate-authority: /etc/shadow", "token: t", "certificate-authority names the file /etc/shadow"),
        ("server: https://far:6443", "tokenFile: /etc/shadow", "tokenFile names the file /etc/shadow"),
        ("server: https://far:6443", "client-certificate: /a, client-key: /b", "client-certificate names the file /a"),
        ("server: https://far:6443, insecure-skip-tls-verify: true", "token: t", "insecure-skip-tls-verify"),
        ("server: https://far:6443", "exec: {command: aws}", "plug-ins are not run"),
        ("server: https://far:6443", "auth-provider: {name: oidc}", "plug-ins are not run"),
    ])
    func `a kubeconfig from elsewhere reads nothing here and runs nothing`(cluster: String, user: String, part: String) throws {
        let problem = #expect(throws: Diagnostic.self) { _ = try selfContained(cluster, user: user) }
        #expect(problem?.summary.contains(part) == true && problem?.subject == "Secret/default/far", "\(String(describing: problem))")
    }

    @Test func `where kubectl looks`() {
        #expect(Kubeconfig.defaultPaths(environment: ["HOME": "/h"]) == ["/h/.kube/config"])
        #expect(Kubeconfig.defaultPaths(environment: ["HOME": "/h", "KUBECONFIG": "/a:/b"]) == ["/a", "/b"])
    }
}
