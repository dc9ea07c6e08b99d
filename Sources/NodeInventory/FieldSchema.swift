import Diagnostics
import YAML

/// The shape of a value a person writes: one table of these drives the checks of a file and the published JSON Schema.
indirect enum FieldType: Sendable {
    /// Text of any form, or of one that `TextForm` names.
    case text(TextForm = .any)
    case integer(ClosedRange<Int>)
    case boolean
    case choice([String])
    case list(FieldType)
    /// One value or a list of them.
    case oneOrMore(FieldType)
    /// Free keys, values of one shape.
    case map(FieldType)
    case object(ObjectSchema)
    /// `{file: …}`, `{env: …}` or `prompt`.
    case secret
    /// A shape of its own, or the short form as text.
    case textOr(FieldType)
    /// Passed through; checked elsewhere, if at all.
    case anything
}

/// Forms of text that are checked here and told to editors.
enum TextForm: Sendable {
    case any
    /// Of any form, and also none: `""`.
    case orEmpty
    /// A length of time: `90s`, `5m`, `2h`.
    case duration
    case version
    case sha256
    case dnsLabel
    case address
    case cidr
    case mac
    case time
    case hostKey
    /// What SSH connects to, and as whom.
    case host, user
    case taint
    /// A branch of git's.
    case branch

    /// A regular expression of ECMA 262 for JSON Schema; nil when there is none that is true.
    var pattern: String? {
        switch self {
        case .any, .orEmpty: nil
        case .host: "^[^-\\s/@][^\\s/@]*$"
        case .user: "^[^-\\s]\\S*$"
        case .address: "^[0-9A-Fa-f:.]+$"
        case .cidr: "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"
        case .hostKey: "^(SHA256:[A-Za-z0-9+/]{43}=?|(ssh|ecdsa|sk)-[-a-z0-9@.]+ [A-Za-z0-9+/]+=*( .*)?)$"
        case .duration: "^[0-9]+(s|m|h)$"
        case .version: "^v[0-9]+\\.[0-9]+\\.[0-9]+(-[A-Za-z0-9.-]+)?\\+k3s[0-9]+$"
        case .sha256: "^[0-9a-f]{64}$"
        case .dnsLabel: "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
        case .mac: "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"
        case .time: "^([01][0-9]|2[0-3]):[0-5][0-9]$"
        case .branch: "^[^-/ ~^:?*\\[\\\\][^ ~^:?*\\[\\\\]*$"
        case .taint: "^[^=:]+(=[^=:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$"
        }
    }
}

/// The fields of a mapping.
struct ObjectSchema: Sendable {
    let name: String
    let fields: [Field]

    func field(named name: String) -> Field? { fields.first { $0.name == name } }
}

/// One field: its name, shape and meaning.
struct Field: Sendable {
    let name: String
    let type: FieldType
    let required: Bool
    let about: String

    init(_ name: String, _ type: FieldType, required: Bool = false, _ about: String) {
        self.name = name
        self.type = type
        self.required = required
        self.about = about
    }
}
