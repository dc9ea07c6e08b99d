/// What a login shell prints by itself (a greeting in .bashrc, a locale it does not know) before it runs the command it was given: none of
/// it is the command's. A line that the command prints first on both of its outputs tells where its own words begin.
struct ShellNoise {
    private static let mark = Array("homelab-begins\n".utf8)

    /// `script` with the line in front.
    static func marking(_ script: String) -> String { "echo homelab-begins; echo homelab-begins >&2; " + script }

    /// A whole output without what is before the line; one without the line is of a shell that never came to the command, and stays.
    static func removed(from output: [UInt8]) -> [UInt8] {
        var noise = ShellNoise()
        let rest = noise.pass(output)
        return noise.held == nil ? rest : output
    }

    private var held: [UInt8]? = []

    /// What of the output's next piece is the command's own.
    mutating func pass(_ piece: [UInt8]) -> [UInt8] {
        guard let before = held else { return piece }
        let all = before + piece
        guard let end = Self.end(in: all) else {
            held = all
            return []
        }
        held = nil
        return Array(all[end...])
    }

    /// Where the line ends.
    private static func end(in bytes: [UInt8]) -> Int? {
        guard bytes.count >= mark.count else { return nil }
        return (0...(bytes.count - mark.count)).first { bytes[$0..<($0 + mark.count)].elementsEqual(mark) }.map { $0 + mark.count }
    }
}
