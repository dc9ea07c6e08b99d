import Cryptography
import Diagnostics
import Git
import KubernetesModel
import SOPS
import SyncPlanning
import YAML

/// The variables and keys that a unit's build needs besides the files, as they are now.
struct BuildMaterials: Hashable, Sendable {
    var values: [String: String] = [:]
    /// Where they come from, with the versions that were read.
    var versions: [ObjectKey: String] = [:]
    /// Files with age keys, by name; nil where nothing is decrypted.
    var keyFiles: [String: Secret]?
    /// What should be there and is not.
    var missing: [String] = []

    var decryption: FileDecryption {
        get throws(Diagnostics) {
            guard let keyFiles else { return .none }
            var problems = Diagnostics()
            var identities: [AgeIdentity] = []
            for (name, text) in keyFiles.sorted(by: { $0.key < $1.key }) {
                do throws(Diagnostics) {
                    identities += try AgeIdentity.identities(inFile: text, name: name)
                } catch {
                    problems.append(contentsOf: error)
                }
            }
            try problems.throwIfErrors()
            return .identities(identities)
        }
    }

    /// Puts them into manifests, each that does not opt out.
    func put(into manifests: [Manifest], always: Bool) throws(Diagnostics) -> [Manifest] {
        if !missing.isEmpty {
            throw Diagnostics(
                missing.map {
                    Diagnostic(
                        .error, "what the unit names in its spec cannot be read", cause: "there is no \($0)",
                        remedy: "add it to the unit's namespace; a source of variables can be marked `optional: true`")
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
    /// Reads the ConfigMaps and Secrets that variables and keys come from, anew with each commit, when one that some unit applies changes,
    /// and when somebody asks for a look.
    func materials(at commit: ObjectID) async throws -> BuildMaterials {
        var sources = spec.variables.sources
        if let name = spec.decryptionSecret { sources.append(.init(kind: "Secret", name: name)) }
        guard !sources.isEmpty else {
            return BuildMaterials(values: spec.variables.inline, keyFiles: spec.isDecrypting ? [:] : nil)
        }
        let kinds = Set(sources.map { GroupVersionKind(group: "", version: "v1", kind: $0.kind) })
        let keys = sources.map { ObjectKey(group: "", kind: $0.kind, namespace: spec.owner.namespace, name: $0.name) }
        await live.setInterests(Set(keys), of: spec.owner)
        try await live.prepare(Array(try await live.resources(for: kinds).values))
        let versions = await live.resourceVersions(of: keys)
        if let known = knownMaterials, known.commit == commit, attemptedKey == spec.buildKey, known.values.missing.isEmpty,
            versions.allSatisfy({ known.values.versions[$0.key] == $0.value })
        {
            return known.values
        }
        let result = try await readMaterials(sources, keys)
        knownMaterials = (result, commit)
        return result
    }

    private func readMaterials(_ sources: [KustomizationSpec.VariableSource], _ keys: [ObjectKey]) async throws -> BuildMaterials {
        var result = BuildMaterials(keyFiles: spec.isDecrypting ? [:] : nil)
        for (index, (source, key)) in zip(sources, keys).enumerated() {
            let kind = GroupVersionKind(group: "", version: "v1", kind: source.kind)
            guard let found = try await api.get(kind, namespace: key.namespace, name: key.name) else {
                if !source.isOptional { result.missing.append(key.description) }
                continue
            }
            result.versions[key] = found.resourceVersion
            if index < spec.variables.sources.count {
                result.values.merge(found.dataTexts) { $1 }
            } else {
                let files = found.dataTexts.filter { $0.key.hasSuffix(".agekey") }
                result.keyFiles = Dictionary(uniqueKeysWithValues: files.map { ("\(key.description) \($0.key)", Secret($0.value)) })
            }
        }
        result.values.merge(spec.variables.inline) { $1 }
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
