import HomelabTestSupport
import Testing

@testable import YAML

/// The scanner of plain YAML against libyaml: of every text that it reads, the events are the same. The texts are objects written as
/// people write them, with lines put in, taken out, moved in and out and cut, from a seed so that a failure can be repeated.
@Suite struct BlockScannerTests {
    private static let lines = [
        "apiVersion: v1", "kind: Thing", "metadata:", "  name: web", "  labels:", "    app: web # which", "    tier: \"1\"",
        "  annotations:",
        "    note: 'one two'", "spec:", "  list:", "  - a", "  - b: 1", "    c: 2", "  - name: x", "    value: |", "      text", "",
        "        more",
        "    ", "  items: [a, \"b c\", 'd']", "  map: {a: b, c: \"d\"}", "  empty: {}", "  none:", "  text: |-", "    one", "    two", "",
        "  keep: |+", "      deep", "", "", "# a comment", "  # another", "---", "--- # next", "- a", "- - b", "-", "- ", "- key:", "  - c",
        "key: value: x", "key:value", "url: http://x.y:80/z?q#f", "a: b # c", "a: b#c", "a: -1", "a: - 1", "a: --x", "a: .5", "a: *b",
        "a: &b c",
        "a: !t d", "a: >", "  folded", "a: 'it''s'", "a: \"q\\\"\"", "a: \"open", "  plain", "? a", ": b", "a: [", "  b]", "a: [b, [c]]",
        "a: {b: [c]}",
        "a: [b,]", "a: {b}", "a: [-x]", "<<: a", "\"k\": v", "...", "--- x", "%YAML 1.1", "a: ~", "a: |2", "a: | # c", "a: |", "\ta: b",
        "é: ü",
        "a: b:", "8080: x", "true: y", "a.b/c-d_e: f", "-a: b", "/x: y", "a:  b  ", "      deep: er", "a: @b", "a: %b", "a: {a: b} # c",
        "a: []x",
    ]

    @Test(arguments: 0..<48) func readsAsLibyamlDoes(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var read = 0
        for _ in 0..<400 {
            let text = text(&random)
            if isSame(text) { read += 1 }
        }
        // Most texts are not plain, but many are: the comparison is not of nothing.
        #expect(read > 20)
    }

    /// Every pair and triple of lines that can stand next to each other.
    @Test func shortTexts() {
        for first in Self.lines {
            for second in Self.lines { _ = isSame(first + "\n" + second + "\n") }
        }
    }

    private func text(_ random: inout SplitMix) -> String {
        var lines: [String]
        if random.next() % 4 == 0 {
            lines = (0..<Int.random(in: 1...8, using: &random)).map { _ in Self.lines.randomElement(using: &random) ?? "" }
        } else {
            // The first lines are an object; a part of it, and a few changes.
            let end = Int.random(in: 1...36, using: &random)
            lines = Array(Self.lines[Int.random(in: 0..<end, using: &random)..<end])
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let index = Int.random(in: 0..<lines.count, using: &random)
                switch random.next() % 6 {
                case 0: lines.insert(Self.lines.randomElement(using: &random) ?? "", at: index)
                case 1: lines[index] = "  " + lines[index]
                case 2: lines[index] = String(lines[index].drop { $0 == " " })
                case 3: lines[index] = " " + lines[index]
                case 4: lines[index] += [" ", " # c", ":", "x", " |", " y"].randomElement(using: &random) ?? ""
                default: lines.remove(at: index)
                }
                if lines.isEmpty { lines = ["a: b"] }
            }
        }
        return lines.joined(separator: "\n") + (random.next() % 16 == 0 ? "" : "\n")
    }

    private struct Event: Equatable {
        var kind: EventStream.Kind
        var style: Node.Scalar.Style?
        var bytes: [UInt8] = []
        var mark: Mark?
    }

    /// Compares the events of a text that the scanner reads; false for one that it leaves to libyaml.
    private func isSame(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBufferPointer { buffer in
            guard let result = BlockScanner.scan(buffer) else { return false }
            result.blocks?.deallocate()
            let scanned = events(EventStream(buffer, file: "f", scans: true))
            let parsed = events(EventStream(buffer, file: "f", scans: false))
            #expect(scanned == parsed, "\(text.debugDescription)")
            return true
        }
    }

    /// nil when the text cannot be read; documents that hold nothing are left out.
    private func events(_ stream: EventStream) -> [Event]? {
        var events: [Event] = []
        do throws(YAMLError) {
            while true {
                let kind = try stream.next()
                if kind == .streamEnd { break }
                guard kind == .scalar else {
                    let isStart = kind == .mappingStart || kind == .sequenceStart
                    events.append(Event(kind: kind, mark: isStart ? stream.mark : nil))
                    continue
                }
                let isNull = stream.isPlain && stream.bytes.isEmpty
                events.append(Event(kind: kind, style: stream.style, bytes: Array(stream.bytes), mark: isNull ? nil : stream.mark))
                #expect(stream.tag == nil && stream.anchor == nil)
            }
        } catch {
            return nil
        }
        var filled: [Event] = []
        for event in events {
            filled.append(event)
            let end = filled.suffix(3)
            if end.map(\.kind) == [.documentStart, .scalar, .documentEnd], filled[filled.count - 2].bytes.isEmpty,
                filled[filled.count - 2].style == .plain
            {
                filled.removeLast(3)
            }
        }
        return filled
    }
}
