internal import HTTP
package import KubernetesModel
internal import YAML

/// All objects of a kind: as a list, and as they change.
extension KubernetesClient {
    package func list(_ kind: GroupVersionKind, namespace: String, labelSelector: String?) async throws -> ObjectList {
        let (path, subject) = try await collection(kind, namespace)
        do {
            return try await pages(kind, path, subject, labelSelector, pageSize: options.pageSize)
        } catch let error as ClusterError where error.kind == .expired {
            // The pages took longer than the server keeps a revision: all at once then.
            return try await pages(kind, path, subject, labelSelector, pageSize: nil)
        }
    }

    private func pages(
        _ kind: GroupVersionKind, _ path: String, _ subject: String, _ labelSelector: String?, pageSize: Int?
    ) async throws -> ObjectList {
        var items: [Manifest] = []
        var token = ""
        while true {
            var query: [(name: String, value: String)] = []
            if let labelSelector { query.append(("labelSelector", labelSelector)) }
            if let pageSize { query.append(("limit", String(pageSize))) }
            if !token.isEmpty { query.append(("continue", token)) }
            let answer = try await fetch(kind, Call(method: "GET", path: path, query: query, subject: subject))
            for item in answer["items"]?.array ?? [] {
                var manifest = Manifest(item)
                // Items of a list do not say what they are.
                if manifest.kind.isEmpty {
                    let head: [Object.Member] = [
                        .init(key: "apiVersion", value: .string(kind.apiVersion)), .init(key: "kind", value: .string(kind.kind)),
                    ]
                    manifest.value = .object(Object(head + (item.object?.members ?? [])))
                }
                if options.trimsManagedFields { manifest.removeManagedFields() }
                items.append(manifest)
            }
            token = answer[path: "metadata", "continue"]?.string ?? ""
            if token.isEmpty {
                return ObjectList(items: items, resourceVersion: answer[path: "metadata", "resourceVersion"]?.string ?? "")
            }
        }
    }

    /// The stream ends normally when the server ends the watch, which it does after half an hour to an hour.
    package func watch(
        _ kind: GroupVersionKind, namespace: String, labelSelector: String?, resourceVersion: String
    ) async throws -> AsyncThrowingStream<WatchEvent, any Error> {
        let (path, subject) = try await collection(kind, namespace)
        // Spread out, so that many watches that began together do not begin anew together.
        let seconds = Int64.random(in: 1800...3600)
        var query: [(name: String, value: String)] = [
            ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", resourceVersion), ("timeoutSeconds", String(seconds)),
        ]
        if let labelSelector { query.append(("labelSelector", labelSelector)) }
        let request = try await sender.request(Call(method: "GET", path: path, query: query, subject: subject))
        let response: HTTPStreamingResponse
        do {
            response = try await transport.stream(request, timeout: options.timeout, idleTimeout: Self.longestSilence)
        } catch let error as HTTPError {
            throw ClusterError(error, subject: subject)
        }
        guard response.status == 200 else {
            var body: [UInt8] = []
            for try await chunk in response.body where body.count < 65536 { body += chunk }
            if response.status == 401 { _ = await sender.canProveAnew(after: request) }
            let error = sender.refusal(status: response.status, headers: response.headers, body: body, subject: subject)
            if error.kind == .notFound { throw await unknown(kind, subject) }
            throw error
        }
        let decoder = WatchDecoder(subject: subject, trimsManagedFields: options.trimsManagedFields)
        return Self.events(of: response.body, decoder: decoder, subject: subject)
    }

    /// A server sends a bookmark about every minute: a connection that is silent for longer than a few of them is dead.
    private static let longestSilence = Duration.seconds(300)

    private static func events(
        of body: AsyncThrowingStream<[UInt8], any Error>, decoder: WatchDecoder, subject: String
    ) -> AsyncThrowingStream<WatchEvent, any Error> {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: WatchEvent.self, throwing: (any Error).self)
        let reader = Task {
            var decoder = decoder
            do {
                for try await chunk in body {
                    for event in try decoder.events(chunk) { continuation.yield(event) }
                }
                continuation.finish()
            } catch let error as HTTPError {
                continuation.finish(throwing: ClusterError(error, subject: subject))
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in reader.cancel() }
        return stream
    }

    private func fetch(_ kind: GroupVersionKind, _ call: Call) async throws -> Value {
        do {
            return try await sender.value(call)
        } catch let error as ClusterError where error.kind == .notFound {
            throw await unknown(kind, call.subject)
        }
    }

    private func collection(_ kind: GroupVersionKind, _ namespace: String) async throws -> (path: String, subject: String) {
        let subject = namespace.isEmpty ? kind.groupKind.description : "\(kind.groupKind) in \(namespace)"
        guard let resource = try await discovery.resource(for: kind) else { throw await unknown(kind, subject) }
        return (Self.collection(resource, namespace), subject)
    }
}
