internal import Diagnostics
internal import FileSystem
internal import HTTP
internal import NodeInventory

extension BinaryStore {
    /// The release's own sum for an architecture, kept in the cache: a release's files do not change.
    func releaseSum(
        url: String, folder: String, architecture: Architecture, version: K3sVersion, isFresh: Bool
    ) async throws -> String {
        let name = Self.sumsName(architecture)
        let cached = folder + "/" + name
        if !isFresh, Files.exists(cached), let sum = ReleaseSums(text: try Files.readText(cached, limit: 1 << 20))[architecture.k3sAsset] {
            return sum
        }
        let part = cached + ".part"
        try await download(url + "/" + name, to: part) { _, _ in }
        guard let sum = ReleaseSums(text: try Files.readText(part, limit: 1 << 20))[architecture.k3sAsset] else {
            try? Files.remove(part)
            throw Diagnostic(
                .error, "the release's list of hashes does not name \(architecture.k3sAsset)", subject: url + "/" + name,
                remedy: "Check that \(version) exists, or pin the hash in the inventory.")
        }
        try Files.move(part, to: cached)
        return sum
    }

    /// Fetches to a file, following the release page's redirects; nothing is kept of a download that broke off.
    func download(_ url: String, to path: String, progress: @escaping @Sendable (Int64, Int64) -> Void) async throws {
        guard let transport = downloader else {
            throw Diagnostic(
                .error, "this machine does not download", subject: url, remedy: "Name a folder that holds the file as `k3s.source`.")
        }
        do {
            var location = url
            for _ in 0..<5 {
                let response = try await transport.stream(HTTPRequest(url: location), timeout: .seconds(30), idleTimeout: .seconds(60))
                if (301...308).contains(response.status), let next = response.headers.first(where: { $0.name.lowercased() == "location" }) {
                    location = next.value
                    continue
                }
                guard response.status == 200 else { throw Self.refusal(url, status: response.status) }
                do { return try await save(response, to: path, progress: progress) } catch {
                    try? Files.remove(path)
                    throw error
                }
            }
            throw Diagnostic(.error, "too many redirects", subject: url, remedy: "Check `k3s.source` in the inventory.")
        } catch let error as HTTPError {
            throw Diagnostic(
                .error, "cannot download", subject: url, cause: error.detail,
                remedy: "Check this machine's connection, or put the file into a folder and name it as `k3s.source`; then run again.")
        }
    }

    private func save(_ response: HTTPStreamingResponse, to path: String, progress: @escaping @Sendable (Int64, Int64) -> Void) async throws
    {
        let length = response.headers.first { $0.name.lowercased() == "content-length" }.flatMap { Int64($0.value) } ?? 0
        try Files.remove(path)
        var pending: [UInt8] = []
        var done: Int64 = 0
        for try await chunk in response.body {
            pending += chunk
            done += Int64(chunk.count)
            if pending.count >= 1 << 20 {
                try Files.append(pending, to: path)
                pending.removeAll(keepingCapacity: true)
                progress(done, length)
            }
        }
        try Task.checkCancellation()
        try Files.append(pending, to: path)
        progress(done, max(length, done))
        if length > 0, done != length {
            throw Diagnostic(
                .error, "the download broke off", subject: path, cause: "\(done) of \(length) bytes came", remedy: "Run again.")
        }
    }

    private static func refusal(_ url: String, status: Int) -> Diagnostic {
        Diagnostic(
            .error, "the server does not give the file", subject: url, cause: "HTTP status \(status)",
            remedy: status == 404 ? "Check `k3s.version` and `k3s.source` in the inventory." : "Try again later.")
    }
}
