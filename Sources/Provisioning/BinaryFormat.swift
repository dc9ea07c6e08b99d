/// The processor an ELF executable was built for, in the names k3s and Go use.
package enum BinaryArchitecture: String, Hashable, Sendable, CaseIterable {
    case amd64, arm64, arm, riscv64

    /// Reads the first 20 bytes of an ELF file (the `e_machine` field); nil for another kind of file or an unknown processor.
    package init?(elfHeader bytes: [UInt8]) {
        guard bytes.count >= 20, bytes[0...3].elementsEqual([0x7F, 0x45, 0x4C, 0x46]) else { return nil }
        let isLittleEndian = bytes[5] == 1
        let machine = isLittleEndian ? Int(bytes[18]) | Int(bytes[19]) << 8 : Int(bytes[19]) | Int(bytes[18]) << 8
        switch machine {
        case 62: self = .amd64
        case 183: self = .arm64
        case 40: self = .arm
        case 243: self = .riscv64
        default: return nil
        }
    }

    /// From what `uname -m` prints, or the Go name itself.
    package init?(machine: String) {
        switch machine {
        case "x86_64", "amd64": self = .amd64
        case "aarch64", "arm64": self = .arm64
        case "riscv64": self = .riscv64
        default:
            guard machine.hasPrefix("arm") else { return nil }
            self = .arm
        }
    }

    /// The processor this program itself was built for.
    package static var own: Self? {
        #if arch(x86_64)
            .amd64
        #elseif arch(arm64)
            .arm64
        #elseif arch(arm)
            .arm
        #else
            nil
        #endif
    }
}
