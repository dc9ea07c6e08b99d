import Diagnostics
import YAML

/// A directory's kustomization file, read.
struct KustomizationFile {
    /// `kustomization.yaml`, for annotations.
    let name: String
    /// As messages name it.
    let display: String
    var kustomization: Kustomization

    func location(_ mark: Mark) -> SourceLocation { SourceLocation(file: display, line: mark.line, column: mark.column) }

    static func load(_ place: Place, _ run: BuildRun, isTop: Bool) throws(Diagnostics) -> KustomizationFile {
        var found: [(name: String, path: String)] = []
        for name in Kustomization.fileNames {
            if case .file(let path) = place.resolve(name, run) {
                found.append((name, path))
            }
        }
        let shown = run.display(place.directory, in: place)
        guard let file = found.first else {
            if run.options.generatesMissingKustomization, let generated = try GeneratedKustomization(place, run).file(shown) {
                return try finished(generated, run, isTop: isTop)
            }
            throw Diagnostics([
                Diagnostic(
                    .error, "\(shown): the directory has no kustomization file",
                    remedy: "add a kustomization.yaml that lists its resources"
                        + (isTop ? "; `homelab build --generate` takes all its YAML files, as the agent does" : ""))
            ])
        }
        guard found.count == 1 else {
            let names = found.map(\.name).joined(separator: ", ")
            throw Diagnostics([Diagnostic(.error, "\(shown): several kustomization files", cause: names, remedy: "keep one of them")])
        }
        let display = run.display(file.path, in: place)
        let findings = FileFindings(file: display)
        let mark = Located(value: file.name, mark: Mark.start)
        guard let bytes = place.read(resolved: file.path, mark, run, findings) else { throw findings.diagnostics }
        let node = try first(bytes, display)
        let kustomization = Kustomization(node, findings: findings)
        try findings.diagnostics.throwIfErrors()
        let read = KustomizationFile(name: file.name, display: display, kustomization: kustomization)
        read.warn(run)
        return try finished(read, run, isTop: isTop)
    }

    /// The first document: kustomize reads no further.
    private static func first(_ bytes: [UInt8], _ display: String) throws(Diagnostics) -> Node {
        do throws(YAMLError) {
            let documents = try YAMLReader.documents(bytes: bytes, file: display, duplicateKeys: .lastWins, rule: .first)
            return documents.first ?? Node(.mapping([]), mark: .start)
        } catch {
            throw Diagnostics(error)
        }
    }

    private static func finished(_ file: KustomizationFile, _ run: BuildRun, isTop: Bool) throws(Diagnostics) -> KustomizationFile {
        guard isTop, let overlay = run.options.overlay else { return file }
        var file = file
        overlay.apply(to: &file.kustomization, run.options.overlayPlaces)
        return file
    }

    private static let deprecated = [
        "bases": "resources", "commonLabels": "labels", "imageTags": "images", "patchesJson6902": "patches",
        "patchesStrategicMerge": "patches", "vars": "replacements",
    ]

    private func warn(_ run: BuildRun) {
        for (field, mark) in kustomization.marks {
            guard let successor = Self.deprecated[field] else { continue }
            run.warnings.append(
                Diagnostic(.warning, "\(field) is deprecated", at: location(mark), remedy: "use \(successor) instead"))
        }
    }
}

extension Diagnostics {
    /// What the YAML reader found, at its places.
    /// - Parameter offset: lines of the file before the text.
    init(_ error: YAMLError, offset: Int = 0) {
        self.init(
            error.moved(by: offset).all.map { error in
                Diagnostic(
                    .error, error.problem, at: SourceLocation(file: error.file, line: error.line, column: error.column),
                    cause: error.context.isEmpty ? nil : error.context)
            })
    }
}
