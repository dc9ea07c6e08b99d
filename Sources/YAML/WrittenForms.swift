/// How a document writes its nulls: `key:` with nothing behind it, or `null` and `~`. kustomize drops the former when it patches.
package struct NullForms: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let blank = NullForms(rawValue: 1)
    package static let written = NullForms(rawValue: 2)
}

/// What of the way that a document's scalars are written makes a difference to kustomize, which keeps texts and quotes and types
/// them anew whenever it needs their values.
package struct WrittenForms: Hashable, Sendable {
    package var nulls = NullForms()
    private var writer = Writer.author
    private var notes = NoteSet()
    /// Numbers, booleans and times as they are written, by key and what they print as, where the two differ.
    private var originals: [Original: String] = [:]

    private struct Original: Hashable {
        var key: String
        var printed: String
    }

    /// Who wrote the texts of the numbers.
    private enum Writer {
        case author
        /// Go's writer of JSON, which has one number type but knows integers: what lists of objects go through.
        case json
        /// Go's writer of YAML, fed with JSON: numbers as `%g` has them.
        case yaml
    }

    package init() {}

    /// Whether a key's null is written with nothing behind the key, as far as it can be told: of the nulls of a list as of all.
    package func isBlankNull(of key: String?) -> Bool {
        guard nulls == [.blank, .written], let key else { return nulls == .blank }
        return notes.contains(.blank, Self.hash(of: key))
    }

    /// Whether there are nulls that are no nulls any more once the object is written.
    package var hasFlowBlanks: Bool { notes.has(.flowBlank) }

    /// Between braces kustomize writes a blank null as an empty text.
    package func writeFlowBlanks(_ value: inout Value, key: String = "") {
        switch value.shape {
        case .null: if notes.contains(.flowBlank, Self.hash(of: key)), isBlankNull(of: key) { value = .string("") }
        case .array: value.changeArray { items in for index in items.indices { writeFlowBlanks(&items[index]) } }
        case .object: value.changeObject { $0.changeValues { writeFlowBlanks(&$1, key: $0) } }
        case .scalar: return
        }
    }

    /// Whether a key's text stands in quotes: because it would be no text without them, or as the document has it.
    package func isQuoted(_ text: String, of key: String) -> Bool {
        if writer == .json { return true }
        var text = text
        return text.withUTF8 { bytes in
            let isText = bytes.isEmpty || ScalarResolver.resolve(bytes, schema: .resource).isString
            if isText, !notes.has(.quoted) || bytes.isEmpty && !notes.contains(.quoted, Self.hash(bytes, of: key)) { return false }
            let hash = Self.hash(bytes, of: key)
            return !notes.contains(.bare, hash) && (!isText && !notes.contains(.time, hash) || notes.contains(.quoted, hash))
        }
    }

    /// That a value was put in with a text that it does not print as.
    package mutating func noteWritten(_ text: String, of key: String, as value: Value) {
        guard let printed = value.scalarText, printed != text else { return }
        if value.string != nil { return noteTime(text, of: key, as: printed) }
        originals[Original(key: key, printed: printed)] = text
    }

    /// Whether a transformer put a text in the place of another.
    func isReplaced(_ text: String, of key: String) -> Bool {
        if !notes.has(.replaced) { return false }
        var text = text
        return text.withUTF8 { notes.contains(.replaced, Self.hash($0, of: key)) }
    }

    /// That a value was made where there was none.
    package mutating func noteMade(_ value: Value, of key: String) {
        guard var printed = value.scalarText else { return }
        printed.withUTF8 { notes.insert(.made, Self.hash($0, of: key)) }
    }

    /// Whether a value was made where there was none, so that whoever asks for it is given its text.
    package func isMade(_ value: Value, of key: String) -> Bool {
        guard notes.has(.made), var printed = value.scalarText else { return false }
        return printed.withUTF8 { notes.contains(.made, Self.hash($0, of: key)) }
    }

    /// That a text took the place of another value and has the quotes which that one had.
    package mutating func noteMerged(_ text: String, of key: String, isQuoted: Bool) {
        var text = text
        text.withUTF8 { bytes in
            let hash = Self.hash(bytes, of: key)
            if isQuoted {
                notes.remove(.bare, hash)
                notes.insert(.quoted, hash)
            } else {
                notes.insert(.bare, hash)
            }
        }
    }

    /// What a text becomes that takes the place of a value and keeps the quotes it has: without any it is typed anew.
    package func value(_ text: String, over old: Value, key: String) -> Value {
        let typed = Value(plain: text, schema: .resource)
        guard typed != .string(text), case .string(let before) = old, isQuoted(before, of: key) else { return typed }
        return .string(text)
    }

    /// What a text becomes that a replacement writes in the place of a plain value, whose type stays; nil where it has another.
    package func replacement(_ text: String, for old: Value, key: String) -> Value? {
        let typed = Value(plain: text, schema: .resource)
        switch (old, typed) {
        case (.string(let before), _) where isTime(before, of: key):
            var bytes = text
            return bytes.withUTF8 { Timestamp($0) != nil } ? typed : Value?.none
        case (.string(let before), _):
            // One that was not read but put there has no type.
            return isReplaced(before, of: key) ? value(text, over: old, key: key) : .string(text)
        case (.null, .null), (.bool, .bool): return typed
        case (.int, .int), (.int, .uint), (.int, .double), (.uint, .int), (.uint, .uint), (.uint, .double), (.double, .int),
            (.double, .uint),
            (.double, .double):
            let wasInteger = Self.isInteger(self.text(of: old, key: key) ?? "")
            // What is a fraction may become an integer, unless of more than 63 bits.
            let fits = Self.isInteger(text) ? wasInteger || typed.int != nil : !wasInteger
            return fits ? typed : Value?.none
        default: return Value?.none
        }
    }

    private static func isInteger(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            bytes.filter { $0 != UInt8(ascii: "_") }.withUnsafeBufferPointer { ScalarResolver.integer($0) != nil }
        }
    }

    /// As `value(_:over:key:)`, and remembers how the text stands there.
    package mutating func put(_ text: String, over old: Value, key: String) -> Value {
        let isQuoted = old.string.map { self.isQuoted($0, of: key) } ?? false
        var bytes = text
        bytes.withUTF8 { notes.insert(.replaced, Self.hash($0, of: key)) }
        if isQuoted {
            noteMerged(text, of: key, isQuoted: true)
            return .string(text)
        }
        return Value(plain: text, schema: .resource)
    }

    /// Whether a text stands there without quotes and so is a time, not a text.
    package func isTime(_ text: String, of key: String) -> Bool {
        if !notes.has(.time), !notes.has(.closedTime) { return false }
        var text = text
        return text.withUTF8 { bytes in
            let hash = Self.hash(bytes, of: key)
            return notes.contains(.time, hash) || notes.contains(.closedTime, hash)
        }
    }

    /// For messages: what kind of value it is.
    package func kindName(of value: Value, key: String) -> String {
        value.string.map { isTime($0, of: key) } == true ? "a time" : value.kindName
    }

    /// The text of a plain value as it is written; nil for collections.
    package func text(of value: Value, key: String) -> String? {
        if !originals.isEmpty, let printed = value.scalarText, value.string == nil || isTime(printed, of: key),
            let original = originals[Original(key: key, printed: printed)]
        {
            return original
        }
        switch (writer, value) {
        case (.json, .double(let number)): return FloatText.json(number)
        case (.yaml, .int), (.yaml, .uint), (.yaml, .double): return value.double.map(FloatText.general)
        default: return value.scalarText
        }
    }

    /// The value of an annotation, all of which are read as texts.
    package func annotation(_ text: String, of key: String) -> Value {
        guard notes.has(.typed) else { return .string(text) }
        var bytes = text
        return bytes.withUTF8 { notes.contains(.typed, Self.hash($0, of: key)) } ? Value(plain: text, schema: .resource) : .string(text)
    }

    /// Takes over what is known of what was merged in.
    package mutating func merge(_ other: WrittenForms) {
        for hash in other.notes.all(.quoted) where !notes.contains(.bare, hash) { notes.insert(.quoted, hash) }
        for note in [Note.typed, .replaced, .bare, .made, .time] {
            for hash in other.notes.all(note) { notes.insert(note, hash) }
        }
        originals.merge(other.originals) { $1 }
    }

    /// That an annotation was made of a number or the like.
    package mutating func noteAnnotation(_ text: String, of key: String) {
        var bytes = text
        bytes.withUTF8 { notes.insert(.typed, Self.hash($0, of: key)) }
    }

    /// That the annotations are written anew, as texts.
    package mutating func dropTypes() { for hash in notes.all(.typed) { notes.remove(.typed, hash) } }

    /// Of an object that went through JSON, which has no styles, and back.
    package static func json(of forms: WrittenForms, asYAML: Bool) -> WrittenForms {
        var new = WrittenForms()
        new.nulls = forms.nulls.isEmpty ? [] : .written
        new.writer = asYAML ? .yaml : .json
        return new
    }

    /// What kustomize wrote the object as when it last read it anew; nil where it still has what was in the file.
    func rewritten(_ value: Value) -> String? {
        switch writer {
        case .author: nil
        case .json: String(decoding: JSONWriter.bytes(value, sortedKeys: true, pretty: false, escapesHTML: true), as: UTF8.self)
        case .yaml: YAMLWriter.text(value)
        }
    }

    /// Makes times what they are outside of braces, for what never is written with them.
    package func openTimes(_ value: inout Value, key: String = "") {
        guard notes.has(.closedTime) else { return }
        switch value {
        case .string(var text):
            if text.withUTF8({ notes.contains(.closedTime, Self.hash($0, of: key)) }) { value = Value(plain: text, schema: .resource) }
        case .array: value.changeArray { items in for index in items.indices { openTimes(&items[index]) } }
        case .object: value.changeObject { $0.changeValues { openTimes(&$1, key: $0) } }
        default: return
        }
    }

    /// - Parameter printed: what it was read as.
    mutating func noteTime(_ text: UnsafeBufferPointer<UInt8>, of key: String, as printed: String, inFlow: Bool) {
        if inFlow, printed.utf8.elementsEqual(text) {
            notes.insert(.closedTime, Self.hash(text, of: key))
        } else {
            noteTime(String(decoding: text, as: UTF8.self), of: key, as: printed)
        }
    }

    private mutating func noteTime(_ text: String, of key: String, as printed: String) {
        var bytes = printed
        bytes.withUTF8 { notes.insert(.time, Self.hash($0, of: key)) }
        if text != printed { originals[Original(key: key, printed: printed)] = text }
    }

    mutating func noteQuoted(_ text: UnsafeBufferPointer<UInt8>, of key: String) { notes.insert(.quoted, Self.hash(text, of: key)) }

    /// - Parameter value: what a plain text was read as.
    mutating func notePlain(_ text: UnsafeBufferPointer<UInt8>, of key: String, as value: Value, inFlow: Bool) {
        if value.string != nil {
            notes.insert(.typed, Self.hash(text, of: key))
        } else if text.isEmpty {
            notes.insert(.blank, Self.hash(of: key))
            if inFlow { notes.insert(.flowBlank, Self.hash(of: key)) }
        } else if let printed = value.scalarText, !printed.utf8.elementsEqual(text) {
            originals[Original(key: key, printed: printed)] = String(decoding: text, as: UTF8.self)
        }
    }

    private static func hash(of key: String) -> UInt64 { hash(UnsafeBufferPointer(start: nil, count: 0), of: key) }

    /// FNV-1a over the key, the start of the text and its length: texts that differ only far behind may be taken for the same.
    private static func hash(_ text: UnsafeBufferPointer<UInt8>, of key: String) -> UInt64 {
        func add(_ sum: UInt64, _ byte: UInt8) -> UInt64 { (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return text.prefix(64).reduce(key.utf8.reduce(0xCBF2_9CE4_8422_2325 ^ UInt64(text.count), add), add)
    }
}

/// What is noted of a scalar, by a hash of it with its key.
private enum Note: UInt64 {
    /// A key with nothing behind it.
    case blank
    /// One of these that stands between braces.
    case flowBlank
    /// A text that stands in quotes or a block.
    case quoted
    /// An annotation that would be no text elsewhere.
    case typed
    /// A text that took the place of a value without quotes: it has none whatever it looks like.
    case bare
    /// A value that was made where there was none: it has no type.
    case made
    /// A text that a transformer put in the place of another.
    case replaced
    /// A time that stands between braces and becomes a text when it is printed there, since a colon has quotes then.
    case closedTime
    /// Another time, as it is printed.
    case time
}

/// Notes to be looked up, in few parts so that it is copied fast: a list while they are few, as those of most documents are.
private struct NoteSet: Hashable, Sendable {
    /// Hashes with the kind of the note in the last four bits.
    private var few: [UInt64] = []
    private var many: Set<UInt64> = []
    /// A bit for each kind that has been noted.
    private var kinds: UInt64 = 0

    /// Whether there may be a note of this kind.
    func has(_ note: Note) -> Bool { kinds & 1 << note.rawValue != 0 }

    func contains(_ note: Note, _ hash: UInt64) -> Bool {
        guard has(note) else { return false }
        let entry = Self.entry(note, hash)
        return few.contains(entry) || !many.isEmpty && many.contains(entry)
    }

    func all(_ note: Note) -> [UInt64] { has(note) ? (few + many).filter { $0 & 15 == note.rawValue } : [] }

    mutating func insert(_ note: Note, _ hash: UInt64) {
        kinds |= 1 << note.rawValue
        if few.count < 64 { few.append(Self.entry(note, hash)) } else { many.insert(Self.entry(note, hash)) }
    }

    mutating func remove(_ note: Note, _ hash: UInt64) {
        guard has(note) else { return }
        let entry = Self.entry(note, hash)
        few.removeAll { $0 == entry }
        many.remove(entry)
    }

    private static func entry(_ note: Note, _ hash: UInt64) -> UInt64 { hash & ~15 | note.rawValue }
}
