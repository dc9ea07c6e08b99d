internal import KubernetesModel
internal import YAML

/// The events of a watch from the bytes of its body, however they are cut into chunks: one JSON text a line.
struct WatchDecoder {
    private let subject: String
    private let trimsManagedFields: Bool
    private var rest: [UInt8] = []

    /// An object is at most 3 MB in etcd; a line far beyond it is no watch.
    private static let lineLimit = 64 << 20

    init(subject: String, trimsManagedFields: Bool) {
        self.subject = subject
        self.trimsManagedFields = trimsManagedFields
    }

    /// - Throws: `ClusterError`: `expired` when the server has forgotten the resourceVersion, else as its ERROR event says.
    mutating func events(_ chunk: [UInt8]) throws -> [WatchEvent] {
        var events: [WatchEvent] = []
        var start = chunk.startIndex
        while let newline = chunk[start...].firstIndex(of: 0x0A) {
            let line = rest.isEmpty ? Array(chunk[start..<newline]) : rest + chunk[start..<newline]
            rest = []
            start = newline + 1
            if let event = try event(line) { events.append(event) }
        }
        rest += chunk[start...]
        if rest.count > Self.lineLimit {
            throw ClusterError(.badRequest, subject: subject, message: "the watch sent a line of more than \(Self.lineLimit) bytes")
        }
        return events
    }

    private func event(_ line: [UInt8]) throws -> WatchEvent? {
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) { return nil }
        let value: Value
        do {
            value = try JSONReader.value(line)
        } catch {
            throw ClusterError(.serverFailure, subject: subject, message: "the watch sent what is no JSON: \(error)")
        }
        var manifest = Manifest(value["object"] ?? .null)
        if trimsManagedFields { manifest.removeManagedFields() }
        switch value["type"]?.string {
        case "ADDED": return .added(manifest)
        case "MODIFIED": return .modified(manifest)
        case "DELETED": return .deleted(manifest)
        case "BOOKMARK": return .bookmark(manifest.resourceVersion)
        case "ERROR": throw StatusAnswer.error(manifest.value, subject: subject)
        case let type:
            throw ClusterError(.serverFailure, subject: subject, message: "the watch sent an event of the unknown type \(type ?? "null")")
        }
    }
}

extension Manifest {
    mutating func removeManagedFields() {
        guard var metadata = value["metadata"], metadata["managedFields"] != nil else { return }
        metadata["managedFields"] = nil
        value["metadata"] = metadata
    }
}
