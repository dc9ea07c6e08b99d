import FileSystem
import Testing

struct FilesTests {
    let directory: String

    init() throws { directory = try Files.makeTemporaryDirectory() }

    @Test func writesReadsAndKeepsTheModeGiven() throws {
        let path = directory + "/a"
        try Files.write("first", to: path, mode: 0o600)
        try Files.write("second", to: path, mode: 0o640)
        #expect(try Files.readText(path) == "second")
        #expect(try Files.status(path).mode == 0o640)
        #expect(try Files.list(directory) == ["a"], "no temporary file is left")
        try Files.append(Array(" more".utf8), to: path)
        #expect(try Files.readText(path) == "second more")
        #expect(try Files.status(path).size == 11)
        try Files.removeTree(directory)
        #expect(!Files.exists(directory))
    }

    @Test func readsFilesOfUnknownSize() throws {
        #expect(try Files.readText("/proc/self/status").contains("Pid:"))
    }

    @Test func saysWhatFailedWhereAndWhy() throws {
        let error = #expect(throws: FileError.self) { try Files.read("/nowhere/at/all") }
        #expect(error?.description == "cannot read /nowhere/at/all: No such file or directory")
        #expect(error?.isNotFound == true)
        #expect(throws: FileError.self) { try Files.read(directory) }
        try Files.write([0xff, 0xfe], to: directory + "/bytes")
        let text = #expect(throws: FileError.self) { try Files.readText(directory + "/bytes") }
        #expect(text?.reason == "not UTF-8 text")
        let large = #expect(throws: FileError.self) { try Files.read(directory + "/bytes", limit: 1) }
        #expect(large?.reason == "larger than 1 bytes")
    }

    @Test func makesAndRemovesTrees() throws {
        try Files.makeDirectory(directory + "/x/y/z", mode: 0o750)
        try Files.makeDirectory(directory + "/x/y/z")
        try Files.write("k", to: directory + "/x/keep")
        try Files.link(directory + "/x/y/up", to: "../../x")
        #expect(try Files.list(directory + "/x/y") == ["up", "z"])
        #expect(try Files.linkTarget(directory + "/x/y/up") == "../../x")
        #expect(try Files.realPath(directory + "/x/y/up/keep").hasSuffix("/x/keep"))
        #expect(try Files.status(directory + "/x").mode == 0o750)
        try Files.removeTree(directory + "/x/y")
        #expect(Files.exists(directory + "/x/keep"), "the link was removed, not what it led to")
        #expect(try Files.statusIfPresent(directory + "/x/y") == nil)
        #expect(throws: FileError.self) { try Files.makeDirectory(directory + "/x/keep/below") }
    }

    @Test(arguments: [("a/b", "a", "b"), ("/a", "/", "a"), ("a", ".", "a"), ("/a/b/", "/a", "b")])
    func splitsPaths(path: String, parent: String, name: String) {
        #expect(Files.directoryName(path) == parent)
        #expect(Files.baseName(path) == name)
    }

    @Test func locksAgainstOtherHolders() throws {
        var first = try FileLock.tryAcquire(directory + "/lock")
        #expect(first != nil)
        #expect(try FileLock.tryAcquire(directory + "/lock") == nil)
        first = nil
        #expect(try FileLock.tryAcquire(directory + "/lock") != nil)
    }

    @Test func watchesADirectoryAndItsSubdirectories() async throws {
        try Files.makeDirectory(directory + "/refs/heads")
        let changes = try FileWatch.changes(in: directory, subdirectories: ["refs/heads"])
        var names = changes.makeAsyncIterator()
        try Files.write("1", to: directory + "/refs/heads/main")
        var seen: Set<String> = []
        while !seen.contains("refs/heads/main"), let name = await names.next() { seen.insert(name) }
        #expect(seen.contains("refs/heads/main"))
        try Files.write("1", to: directory + "/packed-refs")
        while !seen.contains("packed-refs"), let name = await names.next() { seen.insert(name) }
        #expect(seen.contains("packed-refs"))
        try Files.removeTree(directory)
        while await names.next() != nil {}
        #expect(throws: FileError.self) { try FileWatch.changes(in: directory) }
    }
}
