/// Characters of a general category of Unicode: `\pL`, `\p{Lu}`, `\P{Nd}`, `\p{^Nd}`. Scripts (`\p{Greek}`) are not known.
struct CharacterCategory: Sendable {
    private let members: Set<Unicode.GeneralCategory>
    private let isNegated: Bool

    private static let names: [String: Unicode.GeneralCategory] = [
        "Lu": .uppercaseLetter, "Ll": .lowercaseLetter, "Lt": .titlecaseLetter, "Lm": .modifierLetter, "Lo": .otherLetter,
        "Mn": .nonspacingMark, "Mc": .spacingMark, "Me": .enclosingMark, "Nd": .decimalNumber, "Nl": .letterNumber, "No": .otherNumber,
        "Pc": .connectorPunctuation, "Pd": .dashPunctuation, "Ps": .openPunctuation, "Pe": .closePunctuation,
        "Pi": .initialPunctuation, "Pf": .finalPunctuation, "Po": .otherPunctuation, "Sm": .mathSymbol, "Sc": .currencySymbol,
        "Sk": .modifierSymbol, "So": .otherSymbol, "Zs": .spaceSeparator, "Zl": .lineSeparator, "Zp": .paragraphSeparator,
        "Cc": .control, "Cf": .format, "Cs": .surrogate, "Co": .privateUse,
    ]

    /// - Parameter name: A category, or the first letter of several; nil when there is none of that name.
    init?(_ name: String, isNegated: Bool) {
        let plain = name.first == "^" ? String(name.dropFirst()) : name
        guard (1...2).contains(plain.utf8.count) else { return nil }
        members = Set(Self.names.filter { plain.utf8.count == 1 ? $0.key.hasPrefix(plain) : $0.key == plain }.values)
        self.isNegated = isNegated != (name.first == "^")
        if members.isEmpty { return nil }
    }

    func contains(_ character: UInt32) -> Bool {
        let category = Unicode.Scalar(character)?.properties.generalCategory ?? .unassigned
        return members.contains(category) != isNegated
    }
}
