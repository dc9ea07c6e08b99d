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
            guard let transformer = patch(entry, findings) else { continue }
            steps.append(step(transformer, "patches[\(index)]", entry.mark))
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
        guard let (bytes, display, offset) = text(entry.path, entry.patch, entry.mark, "patch", findings) else { return nil }
        let strategic: Result<[Resource], Diagnostics> = Result { () throws(Diagnostics) in
            try ResourceReader(run: run, display: display, offset: offset, isPatch: true, isTargeted: entry.target != nil).resources(bytes)
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
        do throws(MergeFailure) {
            return PatchTransformer(content: .json(try jsonPatch(bytes, display)), target: entry.target)
        } catch {
            // A list is meant as a JSON patch, anything else as an object.
            let isList = bytes.first { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }.map { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "-") }
            if isList == true {
                findings.error("the patch cannot be read", at: entry.mark, cause: error.problem)
            } else if case .failure(let failure) = strategic {
                findings.diagnostics.append(contentsOf: failure)
            }
            return nil
        }
    }

    /// The text of a patch given inline or by path, exactly one of them.
    private func text(
        _ path: String, _ inline: String, _ mark: Mark, _ field: String, _ findings: FileFindings
    ) -> (bytes: [UInt8], display: String, offset: Int)? {
        // kustomize takes blanks off both ends, and so a last line's end off a block of text.
        let start = inline.firstIndex { !$0.isWhitespace } ?? inline.endIndex
        let end = inline.lastIndex { !$0.isWhitespace }.map(inline.index(after:)) ?? start
        let trimmed = Array(inline[start..<end].utf8)
        let skipped = inline[..<start].utf8.count { $0 == UInt8(ascii: "\n") }
        let isBlank = trimmed.isEmpty
        switch (path.isEmpty, isBlank) {
        case (true, true): findings.error("one of path and \(field) is needed", at: mark)
        case (false, false): findings.error("path and \(field) cannot both be set", at: mark)
        case (true, false): return (trimmed, file.display, mark.line + skipped)
        case (false, true):
            guard let bytes = place.read(Located(value: path, mark: mark), run, findings) else { return nil }
            return (bytes, display(path), 0)
        }
        return nil
    }

    /// Text that starts with a bracket is JSON, any other YAML, typed as Kubernetes does.
    private func jsonPatch(_ bytes: [UInt8], _ display: String) throws(MergeFailure) -> JSONPatch {
        let value: Value
        if bytes.first == UInt8(ascii: "[") {
            do throws(JSONError) { value = try JSONReader.value(bytes) } catch { throw MergeFailure(problem: error.description) }
        } else {
            do throws(YAMLError) {
                value = try YAMLReader.values(bytes: bytes, file: display, duplicateKeys: .lastWins, rule: .first).first ?? .null
            } catch {
                throw MergeFailure(problem: error.description)
            }
        }
        return try JSONPatch(value)
    }

    func json6902Step(_ entry: PatchEntry, _ name: String, _ findings: FileFindings) -> Step? {
        json6902(path: entry.path, operations: entry.patch, target: entry.target, entry.mark, findings).map { step($0, name, entry.mark) }
    }

    func json6902(
        path: String, operations: String, target: Selector?, _ mark: Mark, _ findings: FileFindings
    ) -> PatchTransformer? {
        if target?.name.isEmpty != false { findings.error("a JSON patch here needs a target with a name", at: mark) }
        guard let (bytes, display, _) = text(path, operations, mark, "patch", findings) else { return nil }
        do throws(MergeFailure) {
            let patch = try jsonPatch(Array(bytes.drop { [0x20, 0x0A, 0x0D, 0x09].contains($0) }), display)
            if patch.operations.isEmpty { throw MergeFailure(problem: "it has no operations") }
            return PatchTransformer(content: .json(patch), target: target, kind: "PatchJson6902Transformer")
        } catch {
            findings.error("the JSON patch cannot be read", at: mark, cause: error.problem)
            return nil
        }
    }
}
