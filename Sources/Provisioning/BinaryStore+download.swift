internal import Diagnostics
internal import FileSystem
internal import HTTP
internal import NodeInventory

extension BinaryStore {
    /// The release's own sum of a file, from the list of its architecture, which is kept in the cache: a release's files do not change.
    func releaseSum(
        of asset: ReleaseAsset, url: String, folder: String, architecture: Architecture, isFresh: Bool
    ) async throws -> String {
        let name = Self.sumsName(architecture)
        let cached = folder + "/" + name
        if !isFresh, Files.exists(cached), let sum = ReleaseSums(text: try Files.readText(cached, limit: 1 << 20))[asset.name] {
            return sum
        }
        let part = cached + ".part"
        try await download(url + "/" + name, to: part) { _, _ in }
        guard let sum = ReleaseSums(text: try Files.readText(part, limit: 1 << 20))[asset.name] else {
            try? Files.remove(part)
            throw Diagnostic(
                .error, "the release's list of hashes does not name \(asset.name)", subject: url + "/" + name,
                remedy: asset.remedyWhenUnlisted)
        }
        try Files.move(part, to: cached)
        return sum
    }

    /// Fetches a file that can be told from every other, and goes on with one that broke off before.
    /// - Parameter check: throws for another file than the expected one, of which nothing is kept.
    func fetch(
        _ url: String, to part: String, progress: @escaping @Sendable (Int64, Int64) -> Void, check: () throws -> Void
    ) async throws {
        let isContinued = try await download(url, to: part, resumes: true, progress: progress)
        do {
            try check()
        } catch {
            try? Files.remove(part)
            guard isContinued else { throw error }
            // Its beginning may have been of another file of that name.
            try await fetch(url, to: part, progress: progress, check: check)
        }
    }

    /// Fetches to a file, following the release page's redirects.
    /// - Parameter resumes: what has come is kept when it breaks off, and gone on with where the server can do that; else nothing is kept.
    /// - Returns: whether a part of it is from before.
    @discardableResult
    func download(
        _ url: String, to path: String, resumes: Bool = false, progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> Bool {
        guard let transport = downloader else {
            throw Diagnostic(
                .error, "this machine does not download", subject: url, remedy: "Name a folder that holds the file as `k3s.source`.")
        }
        var have = resumes ? Int64(try Files.statusIfPresent(path)?.size ?? 0) : 0
        do {
            var location = url
            for _ in 0..<5 {
                let headers = have > 0 ? [(name: "Range", value: "bytes=\(have)-")] : []
                let request = HTTPRequest(url: location, headers: headers)
                let response = try await transport.stream(request, timeout: .seconds(30), idleTimeout: .seconds(60))
                if (301...308).contains(response.status), let next = Self.header("location", of: response) {
                    location = next
                    continue
                }
                if response.status == 206, have > 0, Self.header("content-range", of: response)?.hasPrefix("bytes \(have)-") == true {
                    try await save(response, to: path, after: have, progress: progress)
                    return true
                }
                if [206, 416].contains(response.status), have > 0 {
                    // Another part than the one that was asked for, or there is none behind what is here.
                    have = 0
                    continue
                }
                guard response.status == 200 else { throw Self.refusal(url, status: response.status) }
                try Files.remove(path)
                do { try await save(response, to: path, after: 0, progress: progress) } catch {
                    if !resumes { try? Files.remove(path) }
                    throw error
                }
                return false
            }
            throw Diagnostic(.error, "too many redirects", subject: url, remedy: "Check `k3s.source` in the inventory.")
        } catch let error as HTTPError {
            throw Diagnostic(
                .error, "cannot download", subject: url, cause: error.detail,
                remedy: "Check this machine's connection, or put the file into a folder and name it as `k3s.source`; then run again.")
        }
    }

    private static func header(_ name: String, of response: HTTPStreamingResponse) -> String? {
        response.headers.first { $0.name.lowercased() == name }?.value
    }

    /// - Parameter start: bytes of the file that are there already.
    private func save(
        _ response: HTTPStreamingResponse, to path: String, after start: Int64, progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws {
        let length = Self.header("content-length", of: response).flatMap { Int64($0) }.map { start + $0 } ?? 0
        var pending: [UInt8] = []
        var done = start
        do {
            for try await chunk in response.body {
                pending += chunk
                done += Int64(chunk.count)
                if pending.count >= 1 << 20 {
                    try Files.append(pending, to: path)
                    pending.removeAll(keepingCapacity: true)
                    progress(done, length)
                }
            }
        } catch {
            try? Files.append(pending, to: path)
            throw error
        }
        try Files.append(pending, to: path)
        try Task.checkCancellation()
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
