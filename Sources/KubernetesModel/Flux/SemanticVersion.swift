/// A version as tags name it (semver.org 2.0): `v1.2.3-rc.1+build`; build data do not count.
package struct SemanticVersion: Hashable, Sendable, Comparable {
    package let major: Int
    package let minor: Int
    package let patch: Int
    /// The parts between `-` and `+`.
    package let preRelease: [String]

    init(_ major: Int, _ minor: Int, _ patch: Int, _ preRelease: [String] = []) {
        self.major = major
        self.minor = minor
        self.patch = patch
        self.preRelease = preRelease
    }

    /// nil when the text is no version: all three numbers have to be there, so that `v2` and `20240131` are none (Flux' `ParseVersion`).
    package init?(_ text: String) {
        guard !text.hasPrefix("V"), let partial = PartialVersion(text[...]), let major = partial.major, let minor = partial.minor,
            let patch = partial.patch
        else { return nil }
        let numbers = text.drop { $0 == "v" }.prefix { $0 != "-" && $0 != "+" }.split(separator: ".")
        let isPadded = (numbers + partial.preRelease.map { $0[...] }).contains {
            $0.count > 1 && $0.first == "0" && $0.allSatisfy(\.isNumber)
        }
        if isPadded { return nil }
        self.init(major, minor, patch, partial.preRelease)
    }

    package static func < (a: SemanticVersion, b: SemanticVersion) -> Bool {
        if (a.major, a.minor, a.patch) != (b.major, b.minor, b.patch) { return (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch) }
        if a.preRelease.isEmpty || b.preRelease.isEmpty { return !a.preRelease.isEmpty && b.preRelease.isEmpty }
        for (mine, theirs) in zip(a.preRelease, b.preRelease) where mine != theirs {
            switch (Int(mine), Int(theirs)) {
            case (let mine?, let theirs?): return mine < theirs
            case (_?, nil): return true
            case (nil, _?): return false
            case (nil, nil): return mine < theirs
            }
        }
        return a.preRelease.count < b.preRelease.count
    }
}

/// A version in a range, whose numbers may be missing or `x`, `X`, `*`.
struct PartialVersion {
    var major: Int?
    var minor: Int?
    var patch: Int?
    var preRelease: [String] = []

    init?(_ text: Substring) {
        var rest = text.hasPrefix("v") || text.hasPrefix("V") ? text.dropFirst() : text
        if let plus = rest.firstIndex(of: "+") { rest = rest[..<plus] }
        if let dash = rest.firstIndex(of: "-") {
            preRelease = rest[rest.index(after: dash)...].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard preRelease.allSatisfy({ !$0.isEmpty && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") } }) else {
                return nil
            }
            rest = rest[..<dash]
        }
        let parts = rest.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...3).contains(parts.count) else { return nil }
        var numbers: [Int?] = []
        for part in parts {
            if ["x", "X", "*"].contains(part) {
                numbers.append(nil)
            } else if !part.isEmpty, part.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(part), number < Int.max {
                numbers.append(number)
            } else {
                return nil
            }
        }
        major = numbers[0]
        // After a wildcard nothing counts any more.
        minor = major == nil || numbers.count < 2 ? nil : numbers[1]
        patch = minor == nil || numbers.count < 3 ? nil : numbers[2]
    }

    /// With zeros for what is missing.
    var lowest: SemanticVersion { SemanticVersion(major ?? 0, minor ?? 0, patch ?? 0, preRelease) }

    /// The first version that is beyond all it stands for; nil: there is none.
    var beyond: SemanticVersion? {
        guard let major else { return nil }
        guard let minor else { return SemanticVersion(major + 1, 0, 0) }
        return patch == nil ? SemanticVersion(major, minor + 1, 0) : nil
    }
}
