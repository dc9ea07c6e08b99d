import KubernetesModel
import Testing

struct ClusterErrorTests {
    private func error(_ kind: ClusterError.Kind, _ causes: [(String, String)]) -> ClusterError {
        ClusterError(
            kind, subject: "x", message: "m", causes: causes.map { .init(field: "spec.x", reason: $0.0, message: $0.1) })
    }

    @Test(arguments: [
        ("FieldValueInvalid", "Invalid value: v1.LabelSelector{...}: field is immutable"),
        ("FieldValueForbidden", "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template' are forbidden"),
        ("FieldValueInvalid", "Invalid value: rbac.RoleRef{}: cannot change roleRef"),
        ("FieldValueForbidden", "Forbidden: spec is immutable after creation except resources.requests for bound claims"),
        ("FieldValueInvalid", "Invalid value: \"10.0.0.2\": field is immutable"),
    ])
    func `words of immutability prove it`(reason: String, message: String) {
        #expect(error(.invalid, [(reason, message)]).isImmutableFieldError)
    }

    @Test func `anything else does not, nor does a typo beside it`() {
        let immutable = ("FieldValueInvalid", "Invalid value: 1: field is immutable")
        #expect(!error(.invalid, []).isImmutableFieldError)
        #expect(!error(.conflict, [immutable]).isImmutableFieldError)
        #expect(!error(.invalid, [immutable, ("FieldValueRequired", "Required value")]).isImmutableFieldError)
        #expect(!error(.invalid, [("FieldValueNotSupported", "Unsupported value: \"field is immutable\"")]).isImmutableFieldError)
        #expect(!error(.invalid, [("FieldValueInvalid", "Invalid value: \"x\": must be no more than 63 characters")]).isImmutableFieldError)
    }
}
