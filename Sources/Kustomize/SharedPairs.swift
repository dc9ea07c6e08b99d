import YAML

/// Labels or annotations that one transformer put in several places of a resource. In kustomize these places hold one and the
/// same value from then on: a later transformer or patch that writes one of them writes them all.
struct SharedPair {
    var key: String
    var value: Value
    var specs: [FieldSpec]
}

extension Resource {
    /// Brings places that share a pair into line after some of them may have been written.
    func settleSharedPairs() {
        guard !sharedPairs.isEmpty else { return }
        for index in sharedPairs.indices {
            let pair = sharedPairs[index]
            guard let written = pair.specs.lazy.compactMap({ self.changedValue(of: pair, at: $0) }).first else { continue }
            sharedPairs[index].value = written
            // The places were visited when the pair was put there, so that nothing on the way is of the wrong kind now.
            try? change(keepsIdentity: pair.specs.allSatisfy(\.keepsIdentity)) { (root) throws(MergeFailure) in
                for spec in pair.specs {
                    try spec.visit(&root, missing: nil) { mapping in
                        mapping.changeObject { object in if object.index(of: pair.key) != nil { object[pair.key] = written } }
                    }
                }
            }
        }
    }

    private func changedValue(of pair: SharedPair, at spec: FieldSpec) -> Value? {
        func search(_ value: Value, _ segments: ArraySlice<FieldSpec.Segment>) -> Value? {
            switch value {
            case .array(let items):
                for item in items { if let found = search(item, segments) { return found } }
                return nil
            case .object(let object):
                if let segment = segments.first { return object[segment.name].flatMap { search($0, segments.dropFirst()) } }
                guard let value = object[pair.key], value != pair.value else { return Value?.none }
                return value
            default: return nil
            }
        }
        return search(.object(object), spec.segments[...])
    }
}
