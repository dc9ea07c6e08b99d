import Diagnostics
import KubernetesModel
import YAML

/// What a layer has gathered: resources, and the rules and variables that travel up with them.
final class Accumulator {
    let set = ResourceSet()
    var config = TransformerConfig.builtIn
    private(set) var variables: [VariableEntry] = []

    /// The built-in rules and those added on the way.
    var nameReferences: [NameReference] {
        var all = TransformerConfig.empty
        all.nameReferences = BuiltInFields.nameReferences
        for reference in config.nameReferences {
            // Conflicting specs were refused when they were read.
            try? all.merge(reference)
        }
        return all.nameReferences
    }

    /// Adds a resource, or a finding when its id is taken.
    func append(_ resource: Resource, at location: SourceLocation?, _ findings: inout Diagnostics) {
        if set.append(resource) { return }
        let other = set.positions(of: resource.id).map { set.all[$0] }.first { $0.id == resource.id }?.origin
        findings.append(
            Diagnostic(
                .error, "\(resource.id.description) is there twice", at: resource.origin ?? location,
                cause: other.map { "also at \($0.file):\($0.line)" }))
    }

    /// Takes over what a sub-directory gathered.
    func merge(_ other: Accumulator, at location: SourceLocation) throws(Diagnostics) {
        var findings = Diagnostics()
        for resource in other.set.all { append(resource, at: location, &findings) }
        merge(other.config, at: location, &findings)
        for variable in other.variables { add(variable, at: location, &findings) }
        try findings.throwIfErrors()
    }

    func merge(_ other: TransformerConfig, at location: SourceLocation, _ findings: inout Diagnostics) {
        do throws(MergeFailure) { try config.merge(other) } catch {
            findings.append(Diagnostic(.error, "configurations: \(error.problem)", at: location))
        }
    }

    private func add(_ variable: VariableEntry, at location: SourceLocation, _ findings: inout Diagnostics) {
        if variables.contains(where: { $0.name == variable.name }) {
            findings.append(Diagnostic(.error, "variable \"\(variable.name)\" is defined twice", at: location))
        } else {
            variables.append(variable)
        }
    }

    /// Registers a layer's variables with the resources that hold their values.
    func add(_ entries: [VariableEntry], kinds: KindTable, _ file: KustomizationFile) throws(Diagnostics) {
        var findings = Diagnostics()
        for entry in entries {
            let location = file.location(entry.mark)
            let matches = set.all.filter { $0.anyIDs.contains { isMatch(entry, $0) } }
            if matches.count > 1 {
                findings.append(
                    Diagnostic(
                        .error, "variable \"\(entry.name)\": \(matches.count) resources are \(entry.type.kind) \"\(entry.objectName)\"",
                        at: location))
            }
            if matches.count == 1 { matches[0].variables.append(entry.name) }
            add(entry, at: location, &findings)
        }
        try findings.throwIfErrors()
    }

    /// Without a namespace in the reference, any will do.
    private func isMatch(_ entry: VariableEntry, _ id: ResourceID) -> Bool {
        guard id.name == entry.objectName, id.type.kind == entry.type.kind, id.type.group == entry.type.group,
            id.type.version == entry.type.version
        else { return false }
        return entry.objectNamespace.isEmpty || id.isClusterScoped || id.effectiveNamespace == entry.objectNamespace
    }

    /// Adds what a generator made, or merges it into what is there, as its behaviour says.
    func absorb(_ resource: Resource, at location: SourceLocation, _ findings: inout Diagnostics) {
        let positions = set.positions(of: resource.id)
        guard let position = positions.first else {
            if resource.behavior == .create { return append(resource, at: location, &findings) }
            findings.append(
                Diagnostic(.error, "there is no \(resource.id.description) to \(resource.behavior.rawValue)", at: location))
            return
        }
        guard positions.count == 1 else {
            findings.append(Diagnostic(.error, "\(positions.count) resources are or were \(resource.id.description)", at: location))
            return
        }
        let old = set.all[position]
        guard resource.behavior != .create else {
            findings.append(
                Diagnostic(
                    .error, "\(resource.id.description) is there already", at: location,
                    cause: old.origin.map { "at \($0.file):\($0.line)" },
                    remedy: "give the generator `behavior: merge` or `behavior: replace`, or another name"))
            return
        }
        resource.absorb(old)
        set.replace(at: position, with: resource)
    }
}

extension Resource {
    /// Data that generated data is merged into becomes text, whatever it was written as.
    private static func texts(_ data: Object, _ forms: WrittenForms, null: String = "") -> Object {
        Object(
            data.map { member in
                let text = member.value.isNull && null.isEmpty ? "" : forms.text(of: member.value, key: member.key) ?? ""
                return Object.Member(key: member.key, value: .string(text))
            })
    }

    /// Takes over the identity and history of the resource this one was generated to merge with or replace.
    fileprivate func absorb(_ old: Resource) {
        func merged(_ own: Object, _ old: Object) -> Value? {
            var result = old
            for member in own { result[member.key] = member.value }
            return result.isEmpty ? nil : .object(result)
        }
        setMetadata("labels", merged(labels, Self.texts(old.labels, old.forms, null: "null")))
        setMetadata("annotations", merged(annotations, old.annotations))
        setName(old.name)
        setNamespace(old.namespace)
        if behavior == .merge {
            for field in ["data", "binaryData"] {
                let value = merged(object[field]?.object ?? Object(), Self.texts(old.object[field]?.object ?? Object(), old.forms))
                change { $0[field] = value }
            }
            if let origin = old.buildOrigin { buildOrigin = origin }
        }
        takeHistory(of: old)
    }
}
