import Diagnostics
import YAML

/// Patches as a kustomization gives them: inline or by path, as objects or as operations.
extension Layer {
    func patchSteps(_ findings: FileFindings) -> [Step] {
        var steps: [Step] = []
        if !kustomization.patchesStrategicMerge.isEmpty {
            var patches: [Resource] = []
            for entry in kustomization.patchesStrategicMerge { patches += strategicMergePatches(entry, findings) }
            let transformer = PatchTransformer(content: .strategicMerge(patches), target: nil, kind: "PatchStrategicMergeTransformer")
            steps.append(step(transformer, "patchesStrategicMerge", kustomization.marks["patchesStrategicMerge"] ?? .start))
        }
        for (index, entry) in kustomization.patches.enumerated() {
            guard let overlay = entry.overlay else {
                if let transformer = patch(entry, findings) { steps.append(step(transformer, "patches[\(index)]", entry.mark)) }
                continue
            }
            let own = FileFindings(file: overlay.origin?.file ?? file.display)
            if let transformer = patch(entry, own) { steps.append(step(transformer, overlay.field, at: overlay.origin)) }
            findings.diagnostics.append(contentsOf: Diagnostics(own.diagnostics.all.map(overlay.told)))
        }
        return steps
    }

    /// An entry that reads as objects is the patch itself, any other the path of a file of patches.
    func strategicMergePatches(_ entry: Located<String>, _ findings: FileFindings) -> [Resource] {
        let inline = try? ResourceReader(run: run, display: file.display, offset: entry.mark.line, isPatch: true, isTargeted: true)
            .resources(Array(entry.value.utf8))
        if let inline, !inline.isEmpty { return inline }
        guard inline == nil, !entry.value.contains("\n") else {
            findings.error("the patch is empty or no object", at: entry.mark)
            return []
        }
        guard let bytes = place.read(entry, run, findings) else { return [] }
        do throws(Diagnostics) {
            let patches = try ResourceReader(run: run, display: display(entry.value), isPatch: true, isTargeted: true).resources(bytes)
            if patches.isEmpty { findings.error("\"\(entry.value)\" holds no patch", at: entry.mark) }
            return patches
        } catch {
            findings.diagnostics.append(contentsOf: error)
            return []
        }
    }

    func display(_ path: String) -> String {
        Path.join(place.directory, path).map { run.display($0, in: place) } ?? path
    }

    /// An entry of `patches`: what reads as objects is a strategic merge, what reads as a list of operations a JSON patch.
    func patch(_ entry: PatchEntry, _ findings: FileFindings) -> PatchTransformer? {
        guard let text = text(entry.path, entry.patch, entry.mark, linesBefore: entry.linesBefore, findings) else { return nil }
        let strategic: Result<[Resource], Diagnostics> = Result { () throws(Diagnostics) in
            try ResourceReader(run: run, display: text.file, offset: text.linesBefore, isPatch: true, isTargeted: entry.target != nil)
                .resources(text.bytes)
        }
        if case .success(let patches) = strategic {
            // An empty file, or one of comments only, changes nothing.
            if patches.isEmpty { return nil }
            for patch in patches {
                patch.allowsNameChange = entry.options["allowNameChange"] == true
                patch.allowsKindChange = entry.options["allowKindChange"] == true
            }
            return PatchTransformer(content: .strategicMerge(patches), target: entry.target)
        }
        do throws(Diagnostics) {
            let patch = try jsonPatch(text) {
                Diagnostic(.error, "the patch cannot be read", at: findings.location(entry.mark), cause: $0)
            }
            return PatchTransformer(content: .json(patch), target: entry.target)
        } catch {
            // A list is meant as a JSON patch, anything else as an object.
            let sign = text.bytes.first { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }
            if sign == UInt8(ascii: "[") || sign == UInt8(ascii: "-") {
                findings.diagnostics.append(contentsOf: error)
            } else if case .failure(let failure) = strategic {
                findings.diagnostics.append(contentsOf: failure)
            }
            return nil
        }
    }

    /// The text of a patch, the file that it is in, and how many lines of that come before it.
    private struct PatchText {
        var bytes: [UInt8]
        var file: String
        var linesBefore: Int
    }

    /// The text of a patch given inline or by path, exactly one of them.
    private func text(
        _ path: String, _ inline: String, _ mark: Mark, linesBefore: Int, _ findings: FileFindings
    ) -> PatchText? {
        // kustomize takes blanks off both ends, and so a last line's end off a block of text.
        let start = inline.firstIndex { !$0.isWhitespace } ?? inline.endIndex
        let end = inline.lastIndex { !$0.isWhitespace }.map(inline.index(after:)) ?? start
        let trimmed = Array(inline[start..<end].utf8)
        let skipped = inline[..<start].utf8.count { $0 == UInt8(ascii: "\n") }
        switch (path.isEmpty, trimmed.isEmpty) {
        case (true, true): findings.error("one of path and patch is needed", at: mark)
        case (false, false): findings.error("path and patch cannot both be set", at: mark)
        case (true, false): return PatchText(bytes: trimmed, file: findings.file, linesBefore: linesBefore + skipped)
        case (false, true):
            guard let bytes = place.read(Located(value: path, mark: mark), run, findings) else { return nil }
            return PatchText(bytes: bytes, file: display(path), linesBefore: 0)
        }
        return nil
    }

    /// Text that starts with a bracket is JSON, any other YAML, typed as Kubernetes does.
    /// - Parameter unfit: the finding about a text that is no JSON patch.
    private func jsonPatch(_ text: PatchText, _ unfit: (_ cause: String) -> Diagnostic) throws(Diagnostics) -> JSONPatch {
        let value: Value
        if text.bytes.first == UInt8(ascii: "[") {
            do throws(JSONError) { value = try JSONReader.value(text.bytes) } catch {
                let place = SourceLocation(file: text.file, line: error.line + text.linesBefore, column: error.column)
                throw Diagnostics([Diagnostic(.error, error.problem, at: place)])
            }
        } else {
            do throws(YAMLError) {
                value = try YAMLReader.values(bytes: text.bytes, file: text.file, duplicateKeys: .lastWins, rule: .first).first ?? .null
            } catch {
                throw Diagnostics(error, offset: text.linesBefore)
            }
        }
        do throws(MergeFailure) { return try JSONPatch(value) } catch { throw Diagnostics([unfit(error.problem)]) }
    }

    func json6902Step(_ entry: PatchEntry, _ name: String, _ findings: FileFindings) -> Step? {
        json6902(entry, findings).map { step($0, name, entry.mark) }
    }

    func json6902(_ entry: PatchEntry, _ findings: FileFindings) -> PatchTransformer? {
        if entry.target?.name.isEmpty != false { findings.error("a JSON patch here needs a target with a name", at: entry.mark) }
        guard var text = text(entry.path, entry.patch, entry.mark, linesBefore: entry.linesBefore, findings) else { return nil }
        let blanks = text.bytes.prefix { [0x20, 0x0A, 0x0D, 0x09].contains($0) }
        text.linesBefore += blanks.count { $0 == 0x0A }
        text.bytes.removeFirst(blanks.count)
        func unfit(_ cause: String) -> Diagnostic {
            Diagnostic(.error, "the JSON patch cannot be read", at: findings.location(entry.mark), cause: cause)
        }
        do throws(Diagnostics) {
            let patch = try jsonPatch(text, unfit)
            if patch.operations.isEmpty { throw Diagnostics([unfit("it has no operations")]) }
            return PatchTransformer(content: .json(patch), target: entry.target, kind: "PatchJson6902Transformer")
        } catch {
            findings.diagnostics.append(contentsOf: error)
            return nil
        }
    }
}

extension PatchEntry.Overlay {
    /// A finding about the patch, as the overlay's author reads it.
    fileprivate func told(_ finding: Diagnostic) -> Diagnostic {
        var finding = finding
        finding.summary = "\(field): \(finding.summary)"
        if origin == nil { finding.location = nil }
        return finding
    }
}
