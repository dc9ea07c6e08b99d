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
    /// Those among them that come from Secrets.
    var secrets = KnownSecrets()
    /// Where they come from, with the versions that were read.
    var versions: [ObjectKey: String] = [:]
    /// Files with age keys, by name; nil where nothing is decrypted.
    var keyFiles: [String: Secret]?
    /// What should be there and is not.
    var missing: [String] = []

    /// The objects they come from: the sources of variables, then the Secret with the keys.
    static func origins(of spec: UnitSpec) -> [ObjectKey] {
        let variables = spec.variables.sources.map {
            ObjectKey(group: "", kind: $0.kind, namespace: spec.namespace, name: $0.name)
        }
        return variables + [spec.keySecret].compactMap { $0 }
    }

    static func read(_ spec: UnitSpec, _ api: any ClusterAPI) async throws -> BuildMaterials {
        var result = BuildMaterials(keyFiles: spec.isDecrypting ? [:] : nil)
        let sources = spec.variables.sources
        for (index, key) in origins(of: spec).enumerated() {
            let kind = GroupVersionKind(group: "", version: "v1", kind: key.kind)
            guard let found = try await api.get(kind, namespace: key.namespace, name: key.name) else {
                if index >= sources.count || !sources[index].isOptional { result.missing.append(key.description) }
                continue
            }
            result.versions[key] = found.resourceVersion
            if index < sources.count {
                result.values.merge(found.dataTexts) { $1 }
                if key.kind == "Secret" { for text in found.dataTexts.values { result.secrets.add(text) } }
            } else {
                let files = found.dataTexts.filter { $0.key.hasSuffix(".agekey") }
                result.keyFiles = Dictionary(uniqueKeysWithValues: files.map { ("\(key.description) \($0.key)", Secret($0.value)) })
            }
        }
        result.values.merge(spec.variables.inline) { $1 }
        return result
    }

    var decryption: FileDecryption {
        get throws(Diagnostics) {
            guard let keyFiles else { return .none }
            // Without the keys it would be told of each file that none opens it.
            try requireAll()
            var problems = Diagnostics()
            var keyring = AgeKeyring()
            for (name, text) in keyFiles.sorted(by: { $0.key < $1.key }) {
                do throws(Diagnostics) {
                    try keyring.add(file: text, name: name)
                } catch {
                    problems.append(contentsOf: error)
                }
            }
            try problems.throwIfErrors()
            return .keys(keyring)
        }
    }

    private func requireAll() throws(Diagnostics) {
        try Diagnostics(
            missing.map {
                Diagnostic(
                    .error, "what the unit names in its spec cannot be read", cause: "there is no \($0)",
                    remedy: "add it; a source of variables can be marked `optional: true`")
            }
        ).throwIfErrors()
    }

    /// Puts them into manifests, each that does not opt out.
    /// - Parameter isComplete: false where there may be more variables than are known here.
    /// - Parameter secrecy: of the files they are made of.
    func put(
        into manifests: [Manifest], always: Bool, isComplete: Bool = true, secrecy: Secrecy = Secrecy()
    ) throws(Diagnostics) -> [Manifest] {
        try requireAll()
        guard always || !values.isEmpty else { return manifests }
        var problems = Diagnostics()
        let result = manifests.map { manifest in
            var substitution = Substitution(variables: values, isComplete: isComplete)
            substitution.quotes = manifest.kind != "Secret" && !secrecy.covers(manifest.origin)
            do throws(Diagnostics) {
                return try substitution.result(of: manifest)
            } catch {
                problems.append(contentsOf: error)
                return manifest
            }
        }
        try secrecy.adding(secrets).masked(problems).throwIfErrors()
        return result
    }
}

extension UnitReconciler {
    /// Reads the ConfigMaps and Secrets that variables and keys come from, anew when one of them changes and when somebody asks for a
    /// look. Those that some unit applies are watched anyway; the others are followed in their namespace.
    func materials(at commit: ObjectID) async throws -> BuildMaterials {
        let keys = Set(BuildMaterials.origins(of: spec))
        guard !keys.isEmpty else {
            await context.namespaces.follow([:], for: spec.owner, .materials, bell)
            return try await BuildMaterials.read(spec, context.api)
        }
        let kinds = Set(keys.map { GroupVersionKind(group: "", version: "v1", kind: $0.kind) })
        try await context.live.prepare(Array(try await context.live.resources(for: kinds).values))
        let owned = await context.live.resourceVersions(of: keys)
        let others = keys.filter { owned[$0] == nil }
        let named = Dictionary(uniqueKeysWithValues: others.map { ($0, GroupVersionKind(group: "", version: "v1", kind: $0.kind)) })
        await context.namespaces.follow(named, for: spec.owner, .materials, bell)
        // Until the others have been listed nothing is known to have changed.
        let found = await context.namespaces.versions(of: named)
        if let known = knownMaterials, attemptedKey == spec.buildKey,
            owned.allSatisfy({ known.values.versions[$0.key] == $0.value }),
            found.map({ found in others.allSatisfy { known.values.versions[$0] == found[$0] } }) ?? (known.commit == commit)
        {
            return known.values
        }
        let wanted = spec
        let result = try await BuildMaterials.read(wanted, context.api)
        // Other variables may be wanted by now.
        guard wanted.buildKey == spec.buildKey else { return try await materials(at: commit) }
        knownMaterials = (result, commit)
        return result
    }
}

extension Manifest {
    /// The values of a ConfigMap's or a Secret's data.
    var dataTexts: [String: String] {
        var result: [String: String] = [:]
        for member in value["data"]?.object ?? Object() {
            guard let text = member.value.string else { continue }
            result[member.key] = kind == "Secret" ? Base64.decode(text).map { String(decoding: $0, as: UTF8.self) } ?? "" : text
        }
        return result
    }
}
