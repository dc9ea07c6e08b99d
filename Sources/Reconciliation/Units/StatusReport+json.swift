package import Diagnostics
package import KubernetesModel
package import YAML

extension StatusReport {
    package var manifest: Manifest {
        Manifest([
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": [
                "namespace": .string(HomelabNamespace.name), "name": .string(Self.configMapName(of: unit)),
                "labels": .object(Object([.init(key: Self.label, value: "unit")])),
            ],
            "data": ["status.json": .string(JSONWriter.text(json))],
        ])
    }

    /// nil when the ConfigMap is none of ours.
    package init?(of manifest: Manifest) {
        guard let text = manifest.value[path: "data", "status.json"]?.string, let value = try? JSONReader.value(text) else { return nil }
        self.init(json: value)
    }

    package var json: Value {
        var value: Value = [
            "unit": .string(unit), "kustomization": ["namespace": .string(owner.namespace), "name": .string(owner.name)],
            "path": .string(path), "phase": .string(phase.rawValue), "healthy": .bool(isHealthy),
            "message": .string(message),
            "revision": [
                "attempted": .string(attemptedRevision), "applied": .string(appliedRevision), "reconciled": .string(reconciledRevision),
            ],
            "source": [
                "url": .string(source.url), "commit": .string(source.commit), "summary": .string(source.summary),
                "author": .string(source.author), "problem": .string(source.problem), "message": .string(source.message),
            ],
            "agent": ["node": .string(agentNode), "version": .string(agentVersion)],
            "lastChange": .string(lastChange),
            "errors": .array(errors.map(\.json)),
            "objectCount": .int(Int64(objectCount)),
            "health": .object(
                Object(
                    HealthStatus.allCases.compactMap { status in
                        healthCounts[status].map { .init(key: status.rawValue, value: .int(Int64($0))) }
                    })),
            "objects": .array(objects.map(\.json)),
            "exceptions": .array(exceptions.map(\.json)),
        ]
        if let flux = flux.json { value["flux"] = flux }
        return value
    }

    package init?(json: Value) {
        guard let unit = json["unit"]?.string, let phase = json["phase"]?.string.flatMap(Phase.init(rawValue:)) else { return nil }
        self.init(unit: unit)
        self.phase = phase
        func text(_ path: String...) -> String { path.reduce(Optional(json)) { $0?[$1] }?.string ?? "" }
        if let namespace = json[path: "kustomization", "namespace"]?.string, let name = json[path: "kustomization", "name"]?.string {
            owner = Ownership(namespace: namespace, name: name)
        }
        path = text("path")
        message = text("message")
        attemptedRevision = text("revision", "attempted")
        appliedRevision = text("revision", "applied")
        reconciledRevision = text("revision", "reconciled")
        source.url = text("source", "url")
        source.commit = text("source", "commit")
        source.summary = text("source", "summary")
        source.author = text("source", "author")
        source.problem = text("source", "problem")
        source.message = text("source", "message")
        agentNode = text("agent", "node")
        agentVersion = text("agent", "version")
        lastChange = text("lastChange")
        flux = FluxSettings(json: json["flux"])
        errors = (json["errors"]?.array ?? []).compactMap { Diagnostic(json: $0) }
        objectCount = Int(json["objectCount"]?.int ?? 0)
        for member in json["health"]?.object ?? Object() {
            if let status = HealthStatus(rawValue: member.key), let count = member.value.int { healthCounts[status] = Int(count) }
        }
        objects = (json["objects"]?.array ?? []).compactMap { ObjectStatus(json: $0) }
        exceptions = (json["exceptions"]?.array ?? []).compactMap { ObjectStatus(json: $0) }
    }
}

extension StatusReport.ObjectStatus {
    var json: Value {
        var value: Value = ["kind": .string(key.kind), "name": .string(key.name), "health": .string(health.rawValue)]
        for (field, text) in [("group", key.group), ("namespace", key.namespace), ("message", message), ("origin", origin)]
        where !text.isEmpty { value[field] = .string(text) }
        return value
    }

    init?(json: Value) {
        guard let kind = json["kind"]?.string, let name = json["name"]?.string,
            let health = json["health"]?.string.flatMap(HealthStatus.init(rawValue:))
        else { return nil }
        self.init(
            key: ObjectKey(group: json["group"]?.string ?? "", kind: kind, namespace: json["namespace"]?.string ?? "", name: name),
            health: health, message: json["message"]?.string ?? "", origin: json["origin"]?.string ?? "")
    }
}

extension Diagnostic {
    package var json: Value {
        var value: Value = ["severity": .string(severity.rawValue), "summary": .string(summary)]
        for (field, text) in [("subject", subject), ("cause", cause), ("remedy", remedy)] where text?.isEmpty == false {
            value[field] = text.map { .string($0) }
        }
        if let location {
            value["file"] = .string(location.file)
            value["line"] = .int(Int64(location.line))
            value["column"] = .int(Int64(location.column))
        }
        return value
    }

    package init?(json: Value) {
        guard let severity = json["severity"]?.string.flatMap(Severity.init(rawValue:)), let summary = json["summary"]?.string else {
            return nil
        }
        let location = json["file"]?.string.map {
            SourceLocation(file: $0, line: Int(json["line"]?.int ?? 1), column: Int(json["column"]?.int ?? 1))
        }
        self.init(
            severity, summary, subject: json["subject"]?.string, at: location, cause: json["cause"]?.string, remedy: json["remedy"]?.string)
    }
}
