import YAML

extension Resource {
    /// Applies a JSON patch. kustomize writes the resource as JSON for it and reads the outcome back with a reader to which every
    /// number is a double, and as YAML; and the annotations that tell where it comes from are among those that are patched.
    func apply(_ patch: JSONPatch) throws(MergeFailure) {
        let tracks = buildOrigin != nil
        if tracks { setPairs("annotations", originAnnotations) }
        // Telling a transformation makes all annotations texts.
        if !buildTransformations.isEmpty { forms.dropTypes() }
        let types = forms
        changeAnnotations { key, value in
            if let text = value.string, !types.isTime(text, of: key) { return types.annotation(text, of: key) }
            // What a replacement put there is a text once others are written beside it.
            return tracks ? types.text(of: value, key: key).map { .string($0) } ?? value : value
        }
        try change { (value) throws(MergeFailure) in
            if types.hasFlowBlanks { types.writeFlowBlanks(&value) }
            try patch.apply(to: &value)
            // What was copied takes no memory until it is changed.
            if patch.copies { try Self.refuseGrowth(of: value) }
            value.roundNumbers()
        }
        sharedPairs = []
        forms = .json(of: forms, asYAML: true)
        let written = forms
        changeAnnotations { .string(written.text(of: $1, key: $0) ?? "") }
        if tracks { readOriginAnnotations() }
    }

    /// Makes what a list of objects holds of it: kustomize takes such a list apart by way of JSON.
    func passThroughJSON() {
        let types = forms
        change { types.openTimes(&$0) }
        changeAnnotations { types.annotation($1.string ?? "", of: $0) }
        var written = WrittenForms.json(of: forms, asYAML: false)
        changeAnnotations { key, value in
            let text = written.text(of: value, key: key) ?? ""
            // Go's reader takes the text of a number for one again.
            if value.string == nil { written.noteAnnotation(text, of: key) }
            return .string(text)
        }
        forms = written
    }

    private func changeAnnotations(_ new: (String, Value) -> Value) {
        guard let annotations = object["metadata"]?["annotations"]?.object, !annotations.isEmpty else { return }
        setMetadata(
            "annotations", .object(Object(annotations.map { Object.Member(key: $0.key, value: new($0.key, $0.value)) })))
    }

    /// Forgets what a patch took out.
    private func readOriginAnnotations() {
        let left = annotations
        if left[Self.originAnnotation] == nil { buildOrigin = nil }
        if left[Self.transformationsAnnotation] == nil { buildTransformations = [] }
        let others = left.filter { $0.key != Self.originAnnotation && $0.key != Self.transformationsAnnotation }
        setMetadata("annotations", .object(Object(others)))
    }
}

extension Value {
    /// Makes every number what is left of it as a double.
    fileprivate mutating func roundNumbers() {
        switch shape {
        case .null: return
        case .array: changeArray { items in for index in items.indices { items[index].roundNumbers() } }
        case .object: changeObject { $0.changeValues { $1.roundNumbers() } }
        case .scalar: if let number = double, number.magnitude >= 0x1p53 { self = Value(number: number) }
        }
    }
}
