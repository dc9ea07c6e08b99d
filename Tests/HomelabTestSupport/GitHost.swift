import Foundation
import Glibc

/// A git host on loopback: a bare repository made by the system's git, a work tree that pushes into it, and the real server sides,
/// `git upload-pack` behind a real sshd and `git http-backend` behind a small HTTP server.
package final class GitHost {
    package let folder: String
    package var bare: String { folder + "/home.git" }
    package var work: String { folder + "/work" }
    private var server: pid_t = 0

    package init() throws {
        folder = NSTemporaryDirectory() + "homelab-git-host-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Self.git("init", "--quiet", "--bare", "--initial-branch", "main", bare)
        try Self.git("init", "--quiet", "--initial-branch", "main", work)
    }

    deinit {
        // The threads of a test run block SIGTERM, and their children with them.
        stopServing()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Commits files and pushes `main`; the new commit's id.
    @discardableResult
    package func push(_ files: [String: String], rewriting: Bool = false) throws -> String {
        for (path, text) in files {
            let file = work + "/" + path
            try FileManager.default.createDirectory(
                atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: file, atomically: true, encoding: .utf8)
        }
        try Self.git("-C", work, "add", "--all")
        let options = rewriting ? ["--amend"] : []
        try Self.git(["-C", work, "commit", "--quiet", "--allow-empty", "--message", "Change"] + options)
        try Self.git("-C", work, "push", "--quiet", "--force", bare, "main")
        return try Self.git("-C", work, "rev-parse", "HEAD").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Gives the newest commit a tag, as an object of its own where it has a message.
    package func tag(_ name: String, message: String? = nil) throws {
        try Self.git(["-C", work, "tag", name] + (message.map { ["--annotate", "--message", $0] } ?? []))
        try Self.git("-C", work, "push", "--quiet", bare, "refs/tags/" + name)
    }

    /// Takes the branch away from the host.
    package func removeBranch() throws { try Self.git("-C", bare, "update-ref", "-d", "refs/heads/main") }

    @discardableResult
    package static func git(_ arguments: String...) throws -> String { try git(arguments) }

    @discardableResult
    private static func git(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Loopback.Failure(text: "git \(arguments): \(text)") }
        return text
    }

    // MARK: HTTP

    /// The requests so far, each as `GET /open/home.git/info/refs?…`.
    package var requests: [String] {
        ((try? String(contentsOfFile: folder + "/requests", encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }

    /// Serves the repository below `/open`, below `/basic` to user `ada` with token `s3cret`, below `/bearer` to that token alone, below
    /// `/certificate` to who shows the client's certificate, and redirects `/moved` to `/basic` and `/plain` to another scheme. With a
    /// certificate it speaks TLS. With ``makeApp(_:)`` it serves `/app` and `/api/v3`, too.
    /// - Parameters:
    ///   - client: the certificate that a client may show; any other is refused.
    ///   - port: a free one when it is not given.
    /// - Returns: the URL of the server's root.
    package func serve(certificate: String? = nil, key: String? = nil, client: String? = nil, port: Int? = nil) throws -> String {
        let (script, told) = (folder + "/server.py", folder + "/port")
        try? FileManager.default.removeItem(atPath: told)
        try Self.program.write(toFile: script, atomically: true, encoding: .utf8)
        try Self.github.write(toFile: folder + "/github.py", atomically: true, encoding: .utf8)
        server = try Loopback.spawn("/usr/bin/python3", [script, "\(port ?? 0)", folder, certificate ?? "", key ?? "", client ?? ""])
        for _ in 0..<6000 {
            // It listens by then. A port that was only found to be free could be another program's before the server has begun.
            if let port = (try? String(contentsOfFile: told, encoding: .utf8)).flatMap({ Int($0) }) {
                return (certificate == nil ? "http" : "https") + "://localhost:\(port)"
            }
            usleep(10_000)
        }
        throw Loopback.Failure(text: "the HTTP server did not start")
    }

    /// Takes the host off the net; `serve` with the same port brings it back.
    package func stopServing() {
        guard server > 0 else { return }
        kill(server, SIGKILL)
        waitpid(server, nil, 0)
        server = 0
    }

    /// A self-signed certificate for localhost; the paths of certificate and key.
    package func makeCertificate(_ name: String = "tls") throws -> (certificate: String, key: String) {
        let (certificate, key) = ("\(folder)/\(name).crt", "\(folder)/\(name).key")
        try Loopback.run(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate,
            ])
        return (certificate, key)
    }

    private static let program = """
        import base64, github, http.server, json, os, ssl, subprocess, sys
        port, (root, certificate, key, client) = int(sys.argv[1]), sys.argv[2:]
        BASIC = "Basic " + base64.b64encode(b"ada:s3cret").decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return super().date_time_string(github.now(root) if timestamp is None else timestamp)

            def answer(self, status, headers=(), body=b""):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def git(self):
                with open(root + "/requests", "a") as log:
                    log.write(self.command + " " + self.path + chr(10))
                request = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                area, _, rest = self.path[1:].partition("/")
                path, _, query = rest.partition("?")
                given = self.headers.get("Authorization")
                if area == "moved":
                    return self.answer(301, [("Location", "/basic/" + rest)])
                if area == "plain":
                    return self.answer(302, [("Location", "ftp://localhost/" + rest)])
                if area == "basic" and given != BASIC:
                    return self.answer(401, [("WWW-Authenticate", 'Basic realm="git"')])
                if area == "bearer" and given != "Bearer s3cret":
                    return self.answer(401, [("WWW-Authenticate", 'Bearer realm="git"')])
                if area == "api":
                    status, said = github.answer(root, self.command, "/" + path, given)
                    return self.answer(status, [("Content-Type", "application/json")], json.dumps(said).encode())
                if area == "app" and not github.lets_in(root, given):
                    return self.answer(401, [("WWW-Authenticate", 'Basic realm="GitHub"')])
                if area == "certificate" and not self.connection.getpeercert():
                    return self.answer(403)
                if area == "page":
                    return self.answer(200, [("Content-Type", "text/html")], b"<p>Welcome")
                environment = dict(os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1", PATH_INFO="/" + path,
                    QUERY_STRING=query, REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""),
                    CONTENT_LENGTH=str(len(request)))
                out = subprocess.run(["git", "http-backend"], input=request, env=environment, stdout=subprocess.PIPE).stdout
                head, _, body = out.partition(b"\\r\\n\\r\\n")
                headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\\r\\n") if ": " in line]
                status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
                self.answer(status, [pair for pair in headers if pair[0] != "Status"], body)

            do_GET = do_POST = git

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            if client:
                context.verify_mode = ssl.CERT_OPTIONAL
                context.load_verify_locations(client)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        with open(root + "/port.new", "w") as told:
            told.write(str(server.server_address[1]))
        os.rename(root + "/port.new", root + "/port")
        server.serve_forever()
        """
}
