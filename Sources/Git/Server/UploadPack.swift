// The support module includes the same headers, and a build of the whole module finds their constants in only one of the two.
internal import CGitSupport
internal import CLibgit2

/// `git-upload-pack`: sends the objects that the client wants and does not have.
struct UploadPack {
    let server: GitServer
    private var stream: PacketStream { server.stream }

    init(server: GitServer) { self.server = server }

    func run() throws(GitError) {
        var references = try server.references()
        var capabilities = "multi_ack side-band-64k ofs-delta no-progress \(GitServer.agent)"
        if let head = server.head {
            if let target = references.first(where: { $0.name == head }) { references.insert(("HEAD", target.id), at: 0) }
            capabilities += " symref=HEAD:\(head)"
        }
        try server.advertise(references, capabilities: capabilities)
        let wants = try readWants(offered: Set(references.map(\.id)))
        guard !wants.ids.isEmpty else { return }
        let common = try negotiate(acknowledgesAll: wants.multiAck)
        try send(wants: wants.ids, common: common, sideBand: wants.sideBand)
    }

    private func readWants(offered: Set<ObjectID>) throws(GitError) -> (ids: [ObjectID], sideBand: Bool, multiAck: Bool) {
        var ids: [ObjectID] = []
        var (sideBand, multiAck) = (false, false)
        while let packet = try stream.read(), let line = packet.text {
            let words = line.split(separator: " ")
            guard words.count >= 2, words[0] == "want", let id = ObjectID(String(words[1])) else {
                try stream.write("ERR homelab: this server does not understand \(line)")
                throw GitError(.other, operation: "upload-pack", message: "unexpected \(line)")
            }
            guard offered.contains(id) else {
                try stream.write("ERR homelab: not our ref \(id)")
                throw GitError(.notFound, operation: "upload-pack", message: "not our ref \(id)")
            }
            if ids.isEmpty { (sideBand, multiAck) = (words.contains("side-band-64k"), words.contains("multi_ack")) }
            ids.append(id)
        }
        return (ids, sideBand, multiAck)
    }

    /// gitprotocol-pack, "Packfile Negotiation". With multi_ack every common object is acknowledged and every flush gets NAK; without it
    /// only the first common object is acknowledged, and a flush gets NAK before that. libgit2 needs multi_ack as soon as it has more
    /// than twenty commits to tell of.
    private func negotiate(acknowledgesAll: Bool) throws(GitError) -> [ObjectID] {
        var common: [ObjectID] = []
        while let packet = try stream.read() {
            guard let line = packet.text else {
                if common.isEmpty || acknowledgesAll { try stream.write("NAK") }
                continue
            }
            if line == "done" { break }
            guard line.hasPrefix("have "), let id = ObjectID(String(line.dropFirst(5))), server.has(id) else { continue }
            if acknowledgesAll { try stream.write("ACK \(id) continue") } else if common.isEmpty { try stream.write("ACK \(id)") }
            common.append(id)
        }
        if let last = common.last, acknowledgesAll { try stream.write("ACK \(last)") }
        if common.isEmpty { try stream.write("NAK") }
        return common
    }

    private func send(wants: [ObjectID], common: [ObjectID], sideBand: Bool) throws(GitError) {
        var builder: OpaquePointer?
        try GitError.check("build a pack") { git_packbuilder_new(&builder, server.repository.pointer) }
        defer { git_packbuilder_free(builder) }
        var walk: OpaquePointer?
        try GitError.check("walk the history") { git_revwalk_new(&walk, server.repository.pointer) }
        defer { git_revwalk_free(walk) }
        for want in wants { try insert(want, into: builder, walk: walk) }
        for id in common {
            var oid = id.git
            _ = git_revwalk_hide(walk, &oid)
        }
        try GitError.check("build a pack") { git_packbuilder_insert_walk(builder, walk) }
        let sink = PackSink(stream: stream, sideBand: sideBand)
        let code = git_packbuilder_foreach(builder, sendPackChunk, Unmanaged.passUnretained(sink).toOpaque())
        if let failure = sink.failure { throw failure }
        if code < 0 { throw GitError.last("send a pack", code: code) }
        try sink.finish()
        if sideBand { try stream.flush() }
    }

    /// A tag goes in as the object it is, then what it points at is walked.
    private func insert(_ id: ObjectID, into builder: OpaquePointer?, walk: OpaquePointer?) throws(GitError) {
        var (oid, object): (git_oid, OpaquePointer?) = (id.git, nil)
        try GitError.check("read \(id)") { git_object_lookup(&object, server.repository.pointer, &oid, GIT_OBJECT_ANY) }
        defer { git_object_free(object) }
        switch git_object_type(object) {
        case GIT_OBJECT_COMMIT: try GitError.check("walk \(id)") { git_revwalk_push(walk, &oid) }
        case GIT_OBJECT_TAG:
            try GitError.check("add \(id)") { git_packbuilder_insert(builder, &oid, nil) }
            if let target = git_tag_target_id(object) { try insert(ObjectID(git: target.pointee), into: builder, walk: walk) }
        default: try GitError.check("add \(id)") { git_packbuilder_insert_recur(builder, &oid, nil) }
        }
    }
}

/// Where the pack's bytes go as libgit2 makes them; the failure waits here, because none can be thrown through C.
private final class PackSink {
    private let stream: PacketStream
    private let sideBand: Bool
    private var buffer: [UInt8] = []
    var failure: GitError?

    init(stream: PacketStream, sideBand: Bool) {
        self.stream = stream
        self.sideBand = sideBand
    }

    func append(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        buffer.append(contentsOf: bytes)
        guard buffer.count >= PacketStream.bandLimit else { return 0 }
        do {
            try finish()
            return 0
        } catch {
            failure = error
            return -1
        }
    }

    func finish() throws(GitError) {
        try sideBand ? stream.write(buffer, band: 1) : stream.writeRaw(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}

private func sendPackChunk(_ bytes: UnsafeMutableRawPointer?, _ size: Int, _ context: UnsafeMutableRawPointer?) -> Int32 {
    guard let context else { return -1 }
    return Unmanaged<PackSink>.fromOpaque(context).takeUnretainedValue().append(UnsafeRawBufferPointer(start: bytes, count: size))
}
