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
    /// The keys with nothing behind them, and those of them that stand between braces.
    private var blankKeys: Set<String> = []
    private var flowBlankKeys: Set<String> = []
    /// Of texts that stand in quotes or blocks, by a hash of each with its key.
    private var quoted = HashSet()
    /// Of annotations that would be no texts elsewhere, likewise.
    private var typed = HashSet()
    /// Of texts that took the place of values without quotes, likewise: they have none whatever they look like.
    private var bare = HashSet()
    /// Of values that were made where there were none, likewise: they have no type.
    private var made = HashSet()
    /// Of texts that transformers put in the place of others, likewise.
    private var replaced = HashSet()
    /// Of times that stand between braces and become texts when they are printed there, since a colon has quotes then.
    private var closedTimes = HashSet()
    /// Of the other times, as they are printed.
    private var times = HashSet()
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
        return blankKeys.contains(key)
    }

    /// Whether there are nulls that are no nulls any more once the object is written.
    package var hasFlowBlanks: Bool { !flowBlankKeys.isEmpty }

    /// Between braces kustomize writes a blank null as an empty text.
    package func writeFlowBlanks(_ value: inout Value, key: String = "") {
        switch value.shape {
        case .null: if flowBlankKeys.contains(key), isBlankNull(of: key) { value = .string("") }
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
            if isText, quoted.isEmpty || bytes.isEmpty && !quoted.contains(Self.hash(bytes, of: key)) { return false }
            let hash = Self.hash(bytes, of: key)
            return !bare.contains(hash) && (!isText && !times.contains(hash) || quoted.contains(hash))
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
        if replaced.isEmpty { return false }
        var text = text
        return text.withUTF8 { replaced.contains(Self.hash($0, of: key)) }
    }

    /// That a value was made where there was none.
    package mutating func noteMade(_ value: Value, of key: String) {
        guard var printed = value.scalarText else { return }
        printed.withUTF8 { made.insert(Self.hash($0, of: key)) }
    }

    /// Whether a value was made where there was none, so that whoever asks for it is given its text.
    package func isMade(_ value: Value, of key: String) -> Bool {
        guard !made.isEmpty, var printed = value.scalarText else { return false }
        return printed.withUTF8 { made.contains(Self.hash($0, of: key)) }
    }

    /// That a text took the place of another value and has the quotes which that one had.
    package mutating func noteMerged(_ text: String, of key: String, isQuoted: Bool) {
        var text = text
        text.withUTF8 { bytes in
            let hash = Self.hash(bytes, of: key)
            if isQuoted {
                bare.remove(hash)
                quoted.insert(hash)
            } else {
                bare.insert(hash)
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
        bytes.withUTF8 { replaced.insert(Self.hash($0, of: key)) }
        if isQuoted {
            noteMerged(text, of: key, isQuoted: true)
            return .string(text)
        }
        return Value(plain: text, schema: .resource)
    }

    /// Whether a text stands there without quotes and so is a time, not a text.
    package func isTime(_ text: String, of key: String) -> Bool {
        if times.isEmpty, closedTimes.isEmpty { return false }
        var text = text
        return text.withUTF8 { bytes in
            let hash = Self.hash(bytes, of: key)
            return times.contains(hash) || closedTimes.contains(hash)
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
        guard !typed.isEmpty else { return .string(text) }
        var bytes = text
        return bytes.withUTF8 { typed.contains(Self.hash($0, of: key)) } ? Value(plain: text, schema: .resource) : .string(text)
    }

    /// Takes over what is known of what was merged in.
    package mutating func merge(_ other: WrittenForms) {
        for hash in other.quoted.all where !bare.contains(hash) { quoted.insert(hash) }
        for hash in other.typed.all { typed.insert(hash) }
        for hash in other.replaced.all { replaced.insert(hash) }
        for hash in other.bare.all { bare.insert(hash) }
        for hash in other.made.all { made.insert(hash) }
        for hash in other.times.all { times.insert(hash) }
        originals.merge(other.originals) { $1 }
    }

    /// That an annotation was made of a number or the like.
    package mutating func noteAnnotation(_ text: String, of key: String) {
        var bytes = text
        bytes.withUTF8 { typed.insert(Self.hash($0, of: key)) }
    }

    /// That the annotations are written anew, as texts.
    package mutating func dropTypes() { typed = HashSet() }

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
        guard !closedTimes.isEmpty else { return }
        switch value {
        case .string(var text):
            if text.withUTF8({ closedTimes.contains(Self.hash($0, of: key)) }) { value = Value(plain: text, schema: .resource) }
        case .array: value.changeArray { items in for index in items.indices { openTimes(&items[index]) } }
        case .object: value.changeObject { $0.changeValues { openTimes(&$1, key: $0) } }
        default: return
        }
    }

    /// - Parameter printed: what it was read as.
    mutating func noteTime(_ text: UnsafeBufferPointer<UInt8>, of key: String, as printed: String, inFlow: Bool) {
        if inFlow, printed.utf8.elementsEqual(text) {
            closedTimes.insert(Self.hash(text, of: key))
        } else {
            noteTime(String(decoding: text, as: UTF8.self), of: key, as: printed)
        }
    }

    private mutating func noteTime(_ text: String, of key: String, as printed: String) {
        var bytes = printed
        bytes.withUTF8 { times.insert(Self.hash($0, of: key)) }
        if text != printed { originals[Original(key: key, printed: printed)] = text }
    }

    mutating func noteQuoted(_ text: UnsafeBufferPointer<UInt8>, of key: String) { quoted.insert(Self.hash(text, of: key)) }

    /// - Parameter value: what a plain text was read as.
    mutating func notePlain(_ text: UnsafeBufferPointer<UInt8>, of key: String, as value: Value, inFlow: Bool) {
        if value.string != nil {
            typed.insert(Self.hash(text, of: key))
        } else if text.isEmpty {
            blankKeys.insert(key)
            if inFlow { flowBlankKeys.insert(key) }
        } else if let printed = value.scalarText, !printed.utf8.elementsEqual(text) {
            originals[Original(key: key, printed: printed)] = String(decoding: text, as: UTF8.self)
        }
    }

    /// FNV-1a over the key, the start of the text and its length: texts that differ only far behind may be taken for the same.
    private static func hash(_ text: UnsafeBufferPointer<UInt8>, of key: String) -> UInt64 {
        func add(_ sum: UInt64, _ byte: UInt8) -> UInt64 { (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return text.prefix(64).reduce(key.utf8.reduce(0xCBF2_9CE4_8422_2325 ^ UInt64(text.count), add), add)
    }
}

/// Hashes to be looked up: a list while they are few, as those of most documents are.
private struct HashSet: Hashable, Sendable {
    private var few: [UInt64] = []
    private var many: Set<UInt64> = []

    var isEmpty: Bool { few.isEmpty && many.isEmpty }
    var all: [UInt64] { few + many }

    func contains(_ hash: UInt64) -> Bool { few.contains(hash) || !many.isEmpty && many.contains(hash) }

    mutating func insert(_ hash: UInt64) {
        if few.count < 64 { few.append(hash) } else { many.insert(hash) }
    }

    mutating func remove(_ hash: UInt64) {
        few.removeAll { $0 == hash }
        many.remove(hash)
    }
}
