internal import Cryptography
internal import Diagnostics
internal import FileSystem

/// A snapshot on this machine, looked at before a cluster is stopped for it.
///
/// etcd appends the sha256 of the database to it (etcd's `snapshot save`; `etcdutl snapshot restore` refuses a file without), and the
/// database is bbolt's: pages, of which the first two have its magic number. k3s packs it into a zip archive when it is told to
/// (`etcd-snapshot-compress`).
struct SnapshotFile {
    private let path: String

    init(_ path: String) { self.path = path }

    /// - Throws: `Diagnostic` when the file is something else, or not whole.
    func check() throws(Diagnostic) {
        let complaint: String?
        do { complaint = try found() } catch { complaint = "\(error)" }
        guard let complaint else { return }
        throw Diagnostic(
            .error, "this is no whole snapshot of etcd, and nothing was done with it", subject: path, cause: complaint,
            remedy: "give another one: `homelab snapshot list` shows what there is")
    }

    /// k3s unpacks one whose name says so.
    var ending: String {
        get throws { (try FileReader(path).next(limit: 4) ?? []).starts(with: Self.zip) ? ".zip" : "" }
    }

    private func found() throws -> String? {
        let size = try Files.status(path).size
        let head = try FileReader(path).next(limit: 8192) ?? []
        if head.starts(with: Self.zip) {
            return try end(of: size, 65_557).contains(Self.zipEnd) ? nil : "the archive breaks off: it has no directory at its end"
        }
        guard Self.magicPlaces.contains(where: { head.dropFirst($0).starts(with: Self.magic) }) else {
            return "it does not begin as a database of etcd does"
        }
        guard size % 512 == Self.hashSize else { return "it breaks off: the sha256 at its end is missing" }
        let said = Hex.encode(try end(of: size, Self.hashSize))
        return try SHA256.hex(ofFile: path, first: size - Self.hashSize) == said ? nil : "its content does not have the sha256 at its end"
    }

    private func end(of size: Int, _ count: Int) throws -> [UInt8] {
        let reader = try FileReader(path, from: max(0, size - count))
        var bytes: [UInt8] = []
        while let piece = try reader.next(limit: 1 << 16) { bytes += piece }
        return bytes
    }

    private static let hashSize = 32
    /// 0xED0CDAED in the meta pages behind their headers of 16 bytes, for pages of 4 KiB.
    private static let magic: [UInt8] = [0xED, 0xDA, 0x0C, 0xED]
    private static let magicPlaces = [16, 4096 + 16]
    private static let zip: [UInt8] = [0x50, 0x4B, 0x03, 0x04]
    private static let zipEnd: [UInt8] = [0x50, 0x4B, 0x05, 0x06]
}
