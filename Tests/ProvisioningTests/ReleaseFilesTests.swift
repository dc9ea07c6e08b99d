import Testing

@testable import Provisioning

@Suite struct ReleaseFilesTests {
    @Test func sumsAreFoundByFileName() {
        let hash = String(repeating: "ab", count: 32)
        let sums = ReleaseSums(text: "\(hash)  k3s\n\(hash.uppercased()) *k3s-arm64\nshort k3s-armhf\n\n")
        #expect(sums["k3s"] == hash)
        #expect(sums["k3s-arm64"] == hash)
        #expect(sums["k3s-armhf"] == nil)
    }

    @Test(arguments: [(UInt8(62), BinaryArchitecture.amd64), (183, .arm64), (40, .arm), (243, .riscv64)])
    func architectureIsReadFromTheHeader(machine: UInt8, expected: BinaryArchitecture) {
        var header: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 13)
        header[18] = machine
        #expect(BinaryArchitecture(elfHeader: header) == expected)
    }

    @Test func otherFilesHaveNoArchitecture() {
        #expect(BinaryArchitecture(elfHeader: Array("#!/bin/sh\necho hello world".utf8)) == nil)
        #expect(BinaryArchitecture(elfHeader: [0x7F, 0x45]) == nil)
        #expect(BinaryArchitecture(machine: "aarch64") == .arm64)
        #expect(BinaryArchitecture(machine: "mips") == nil)
    }
}
