internal import Cryptography
package import Diagnostics
internal import FileSystem
internal import Glibc
internal import NodeInventory
internal import NodePlanning

/// A snapshot of etcd: where it lies, how large it is and when it was made.
package struct Snapshot: Hashable, Sendable {
    /// The server it lies on; nil for a copy on this machine.
    package let node: String?
    package let path: String
    package let size: Int
    /// Seconds since 1970.
    package let made: Int

    package var name: String { path.split(separator: "/").last.map(String.init) ?? path }
}

/// Copies of a cluster's snapshots on this machine, each with the token that opens it: without the token that was valid then, a snapshot
/// cannot be restored (docs.k3s.io/datastore/backup-restore).
package struct SnapshotFolder: Sendable {
    package let path: String

    package init(_ path: String) { self.path = path }

    package func list() -> [Snapshot] {
        ((try? Files.list(path)) ?? []).filter { !$0.hasSuffix(".token") }.compactMap { name in
            guard let status = try? Files.status("\(path)/\(name)"), status.kind == .file else { return nil }
            return Snapshot(node: nil, path: "\(path)/\(name)", size: status.size, made: status.modified)
        }
    }

    /// Keeps both halves, readable by nobody else.
    func keep(_ bytes: [UInt8], token: Secret, name: String) throws -> String {
        try Files.makeDirectory(path, mode: 0o700)
        let file = "\(path)/\(name)"
        try Files.write(token.revealed + "\n", to: file + ".token", mode: 0o600)
        try Files.write(bytes, to: file, mode: 0o600)
        return file
    }
}

extension Machines {
    /// Makes a snapshot on the first server that is ready, checks it and brings it here with the server token.
    /// - Returns: the copy on this machine.
    package func saveSnapshot(to folder: SnapshotFolder, name: String) async throws -> Snapshot {
        try await withReadyServer { server, host in
            try await requireEtcd(on: host)
            let directory = spec.snapshotDirectory(of: server)
            let before = try await Self.snapshots(in: directory, on: host)
            recorder.emit(.stepStarted(node: server.name, step: "make a snapshot"))
            let start = ContinuousClock.now
            // k3s makes its own folder only.
            let save = #"umask 077; mkdir -p "$3" && exec "$1" etcd-snapshot save --name "$2" --etcd-snapshot-dir "$3""#
            let made = try await host.run(RemoteCommand(["sh", "-c", save, "homelab", NodeLayout.k3s, name, directory]))
            recorder.log(server.name, made.output + made.errorOutput)
            guard made.succeeded else {
                throw Diagnostic(
                    .error, "k3s made no snapshot", subject: "node \"\(server.name)\"", cause: made.complaint,
                    remedy: "put right what k3s says, then run again")
            }
            let new = try await Self.snapshots(in: directory, on: host).filter { !before.contains($0) && $0.name.hasPrefix(name) }
            guard let snapshot = new.max(by: { $0.made < $1.made }), snapshot.size > 0 else {
                throw Diagnostic(
                    .error, "k3s made a snapshot that is not there", subject: "node \"\(server.name)\"", cause: made.complaint,
                    remedy: "look into \(directory) there")
            }
            let copy = try await fetch(snapshot, from: host, to: folder)
            recorder.emit(.stepDone(node: server.name, step: "make a snapshot", elapsed: ContinuousClock.now - start))
            return copy
        }
    }

    /// The file and the token come over one after the other; the file's digest is compared with the server's own.
    private func fetch(_ snapshot: Snapshot, from host: any Host, to folder: SnapshotFolder) async throws -> Snapshot {
        guard let token = try await host.read(NodeLayout.serverToken), let bytes = try await host.read(snapshot.path) else {
            throw Diagnostic(
                .error, "the snapshot or the server token went away", subject: "node \"\(host.name)\"", remedy: "run again")
        }
        let secret = Secret(String(decoding: token, as: UTF8.self).trimmingLineBreaks)
        recorder.conceal(secret)
        let sum = try await host.run(RemoteCommand(["sha256sum", snapshot.path]))
        guard sum.succeeded, sum.output.hasPrefix(SHA256.hex(of: bytes)) else {
            throw Diagnostic(
                .error, "the snapshot's copy is not what lies on the server", subject: "node \"\(host.name)\"", cause: sum.complaint,
                remedy: "run again")
        }
        let path = try folder.keep(bytes, token: secret, name: snapshot.name)
        try SnapshotFile(path).check()
        return Snapshot(node: nil, path: path, size: bytes.count, made: snapshot.made)
    }

    /// The snapshots on all servers that can be reached, newest first.
    package func snapshots() async throws -> (snapshots: [Snapshot], unreached: Diagnostics) {
        try await with(spec.servers, needsAll: false) { hosts, unreached in
            var all: [Snapshot] = []
            for server in spec.servers.sorted(by: { $0.name < $1.name }) {
                guard let host = hosts[server.name] else { continue }
                all += try await Self.snapshots(in: spec.snapshotDirectory(of: server), on: host)
            }
            return (all.sorted { $0.made > $1.made }, unreached)
        }
    }

    private static func snapshots(in directory: String, on host: any Host) async throws -> [Snapshot] {
        let script = #"for f in "$1"/*; do [ -f "$f" ] && stat -c '%Y %s %n' "$f"; done; :"#
        let result = try await host.run(RemoteCommand(["sh", "-c", script, "homelab", directory]))
        return result.output.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 2).map(String.init)
            guard words.count == 3, let made = Int(words[0]), let size = Int(words[1]) else { return nil }
            return Snapshot(node: host.name, path: words[2], size: size, made: made)
        }
    }

    /// By what is on the server: one of several that is left keeps its etcd, and a fresh one has nothing yet.
    func requireEtcd(on server: any Host) async throws {
        let keepsSQLite = #"cd "$1" 2>/dev/null && [ -e state.db ] && ! [ -e etcd/member ]"#
        let database = NodeLayout.dataDirectory + "/server/db"
        if try await server.run(RemoteCommand(["sh", "-c", keepsSQLite, "homelab", database])).succeeded {
            throw Diagnostic(
                .error, "its data is in SQLite, of which k3s makes no snapshots", subject: "cluster \"\(spec.name)\"",
                remedy: "write k3s.datastore: etcd and run `homelab bootstrap`: it moves the data over")
        }
    }

    /// Calls `body` with the first server whose API says it is ready.
    func withReadyServer<Result: Sendable>(_ body: (NodeSpec, any Host) async throws -> Result) async throws -> Result {
        try await with(spec.servers, needsAll: false) { hosts, unreached in
            var reasons = unreached
            for server in spec.servers {
                guard let host = hosts[server.name] else { continue }
                let ready = try await host.run(ClusterObserver.readyz)
                if ready.succeeded { return try await body(server, host) }
                reasons.append(
                    Diagnostic(.error, "its API is not ready", subject: "node \"\(server.name)\"", cause: ready.complaint))
            }
            throw reasons
        }
    }
}
