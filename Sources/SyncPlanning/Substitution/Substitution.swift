package import Diagnostics
package import KubernetesModel
import YAML

/// Puts variables into manifests after the build, as Flux' `postBuild` does: into the object's YAML text, which is then read anew, so that
/// `replicas: ${n}` becomes a number. Where Kubernetes knows only texts (labels, annotations, data, environment) it stays a text.
package struct Substitution: Sendable {
    private let variables: [String: String]
    private let isComplete: Bool
    /// Whether errors may say what is written in an object.
    package var quotes = true

    /// - Parameter isComplete: false where there may be more variables: an object that asks for one of them stays as it is.
    package init(variables: [String: String], isComplete: Bool = true) {
        self.variables = variables
        self.isComplete = isComplete
    }

    /// - Throws: everything in this object that cannot be put in, at the place of the object.
    package func result(of manifest: Manifest) throws(Diagnostics) -> Manifest {
        guard !Self.optsOut(manifest), manifest.value.mentionsDollar else { return manifest }
        var template = SubstitutionTemplate(YAMLWriter.text(manifest.value), variables: variables)
        let text = template.result()
        let problems = isComplete ? template.problems : template.problems.filter { !$0.isMissingVariable }
        guard problems.isEmpty else { throw Diagnostics(problems.map { diagnostic(cause(of: $0, in: manifest), manifest) }) }
        guard template.problems.isEmpty else { return manifest }
        do {
            guard let value = try YAMLReader.values(text, file: manifest.key.description).first else { return manifest }
            return Manifest(restoringTexts(value, from: manifest.value, at: []), origin: manifest.origin)
        } catch {
            // What is wrong is the value of a variable, which may be secret: it is not said.
            let path = fieldThatBreaks(in: manifest.value, at: FieldPath())?.path
            throw Diagnostics([
                diagnostic((path.map { "\($0): " } ?? "") + "with its variables put in it is no YAML any more", manifest, Self.quoteRemedy)
            ])
        }
    }

    private static let quoteRemedy =
        "put it in quotes that stay: set a variable `quote: '\"'` in spec.postBuild.substitute and write ${quote}${name}${quote}, or let the "
        + "value have none of the marks that mean something at the start of a value in YAML"

    /// The first text that cannot be read any more by itself.
    private func fieldThatBreaks(in value: Value, at path: FieldPath) -> FieldPath? {
        switch value {
        case .string(let text):
            guard text.utf8.contains(0x24) else { return nil }
            var template = SubstitutionTemplate(YAMLWriter.text(["a": value]), variables: variables)
            return (try? YAMLReader.values(template.result(), file: "")) == nil ? path : nil
        case .array(let items):
            return items.enumerated().lazy.compactMap { fieldThatBreaks(in: $1, at: path.item($0)) }.first
        case .object(let object):
            return object.lazy.compactMap { fieldThatBreaks(in: $0.value, at: path.key($0.key)) }.first
        default: return nil
        }
    }

    private static func optsOut(_ manifest: Manifest) -> Bool {
        ObjectMarks.prefixes.contains { prefix in
            [manifest.annotation(prefix + "substitute"), manifest.label(prefix + "substitute")].contains { $0?.lowercased() == "disabled" }
        }
    }

    /// What is wrong, and in which field: the first that has it, where one field has it by itself.
    private func cause(of problem: SubstitutionTemplate.Problem, in manifest: Manifest) -> String {
        guard let field = field(with: problem, in: manifest.value, at: FieldPath()) else { return problem.text(quotes: quotes) }
        return "\(field.path): \(problem.text(quotes: quotes))"
    }

    private func field(with problem: SubstitutionTemplate.Problem, in value: Value, at path: FieldPath) -> FieldPath? {
        func has(_ text: String) -> Bool {
            guard text.utf8.contains(0x24) else { return false }
            var template = SubstitutionTemplate(text, variables: variables)
            _ = template.result()
            return template.problems.contains { problem.isSame(as: $0) }
        }
        switch value {
        case .string(let text): return has(text) ? path : nil
        case .array(let items):
            return items.enumerated().lazy.compactMap { field(with: problem, in: $1, at: path.item($0)) }.first
        case .object(let object):
            return object.lazy.compactMap { member in
                let path = path.key(member.key)
                return has(member.key) ? path : field(with: problem, in: member.value, at: path)
            }.first
        default: return nil
        }
    }

    private func diagnostic(_ cause: String, _ manifest: Manifest, _ remedy: String? = nil) -> Diagnostic {
        Diagnostic(
            .error, "the variables cannot be put in", subject: manifest.key.description, at: manifest.origin, cause: cause,
            remedy: remedy
                ?? "set the variable in spec.postBuild, give a default with ${name:=default}, write $${ where the text itself is meant, or "
                + "annotate the object with kustomize.toolkit.fluxcd.io/substitute: disabled")
    }

    /// A number that a variable made of a text goes back to being one where only texts are allowed.
    private func restoringTexts(_ new: Value, from old: Value, at path: [String]) -> Value {
        switch (new, old) {
        case (.object(let object), .object(let before)):
            var result = object
            result.changeValues { key, value in
                if let original = before[key] { value = restoringTexts(value, from: original, at: path + [key]) }
            }
            return .object(result)
        case (.array(let items), .array(let before)) where items.count == before.count:
            return .array(zip(items, before).map { restoringTexts($0, from: $1, at: path + ["-"]) })
        case (.int, .string(let text)), (.uint, .string(let text)), (.double, .string(let text)), (.bool, .string(let text)),
            (.null, .string(let text)):
            guard Self.isText(path) else { return new }
            var template = SubstitutionTemplate(text, variables: variables)
            return .string(template.result())
        default: return new
        }
    }

    private static func isText(_ path: [String]) -> Bool {
        guard path.count >= 2 else { return false }
        let (parent, field) = (path[path.count - 2], path[path.count - 1])
        if path.count == 2, parent == "data" || parent == "stringData" { return true }
        if ["labels", "annotations", "matchLabels", "nodeSelector"].contains(parent) { return true }
        return field == "value" && parent == "-" && path.dropLast(2).last == "env"
    }
}

extension Value {
    /// Whether there is anything to do at all.
    fileprivate var mentionsDollar: Bool {
        switch self {
        case .string(let text): text.utf8.contains(0x24)
        case .array(let items): items.contains { $0.mentionsDollar }
        case .object(let object): object.contains { $0.key.utf8.contains(0x24) || $0.value.mentionsDollar }
        default: false
        }
    }
}
