import Cryptography
import Diagnostics
import Git
import KubernetesModel
import SyncPlanning
import YAML

/// The variables of a unit as they are now.
struct VariableValues: Hashable, Sendable {
    var values: [String: String] = [:]
    /// Where they come from, with the versions that were read.
    var versions: [ObjectKey: String] = [:]
    /// What should be there and is not.
    var missing: [String] = []

    /// Puts them into manifests, each that does not opt out.
    func put(into manifests: [Manifest], always: Bool) throws(Diagnostics) -> [Manifest] {
        if !missing.isEmpty {
            throw Diagnostics(
                missing.map {
                    Diagnostic(
                        .error, "the variables of spec.postBuild.substituteFrom cannot be read", cause: "there is no \($0)",
                        remedy: "add it to the unit's namespace, or mark it `optional: true`")
                })
        }
        guard always || !values.isEmpty else { return manifests }
        var problems = Diagnostics()
        let result = manifests.map { manifest in
            do throws(Diagnostics) {
                return try Substitution(variables: values).result(of: manifest)
            } catch {
                problems.append(contentsOf: error)
                return manifest
            }
        }
        try problems.throwIfErrors()
        return result
    }
}

extension UnitReconciler {
    /// Reads the ConfigMaps and Secrets that the variables come from, anew with each commit, when one that some unit applies changes, and
    /// when somebody asks for a look.
    func variables(at commit: ObjectID) async throws -> VariableValues {
        var result = VariableValues(values: spec.variables.inline)
        guard !spec.variables.sources.isEmpty else { return result }
        let kinds = Set(spec.variables.sources.map { GroupVersionKind(group: "", version: "v1", kind: $0.kind) })
        let keys = spec.variables.sources.map { ObjectKey(group: "", kind: $0.kind, namespace: spec.owner.namespace, name: $0.name) }
        await live.setInterests(Set(keys), of: spec.owner)
        try await live.prepare(Array(try await live.resources(for: kinds).values))
        let versions = await live.resourceVersions(of: keys)
        if let known = knownVariables, known.commit == commit, attemptedKey == spec.buildKey,
            versions.allSatisfy({ known.values.versions[$0.key] == $0.value }),
            known.values.missing.isEmpty
        {
            return known.values
        }
        result.values = [:]
        for (source, key) in zip(spec.variables.sources, keys) {
            let kind = GroupVersionKind(group: "", version: "v1", kind: source.kind)
            guard let found = try await api.get(kind, namespace: key.namespace, name: key.name) else {
                if !source.isOptional { result.missing.append(key.description) }
                continue
            }
            result.versions[key] = found.resourceVersion
            result.values.merge(found.dataTexts) { $1 }
        }
        result.values.merge(spec.variables.inline) { $1 }
        knownVariables = (result, commit)
        return result
    }
}

extension Manifest {
    /// The values of a ConfigMap's or a Secret's data.
    fileprivate var dataTexts: [String: String] {
        var result: [String: String] = [:]
        for member in value["data"]?.object ?? Object() {
            guard let text = member.value.string else { continue }
            result[member.key] = kind == "Secret" ? Base64.decode(text).map { String(decoding: $0, as: UTF8.self) } ?? "" : text
        }
        return result
    }
}
