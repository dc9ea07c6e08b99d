import CEL
import KubernetesModel
import Testing
import YAML

struct HealthExpressionsTests {
    private let rules: HealthExpressions

    init() throws {
        rules = HealthExpressions(
            current: try CELExpression("status.phase == 'Ready'"), inProgress: try CELExpression("has(status.progress)"),
            failed: try CELExpression("status.phase == 'Failed' || status.errors.size() > 3"))
    }

    private func health(_ status: Value, generation: Int64 = 2, deleted: Bool = false) -> Health {
        var object = Manifest(["kind": "Database", "metadata": ["name": "a", "generation": .int(generation)], "status": status])
        if deleted { object.value["metadata"]?["deletionTimestamp"] = "2026-01-01T00:00:00Z" }
        return rules.health(of: object)
    }

    @Test func `the first that holds decides, in Flux' order`() {
        #expect(health(["phase": "Failed", "progress": 5, "errors": []]).status == .inProgress)
        #expect(
            health(["phase": "Failed", "errors": []]).description == "Failed: failed: status.phase == 'Failed' || status.errors.size() > 3")
        #expect(health(["phase": "Ready", "errors": []]).status == .current)
        #expect(
            health(["phase": "Other", "errors": []]).description
                == "InProgress: none of its healthCheckExprs holds yet; current: status.phase == 'Ready'")
    }

    @Test func `an old status is in progress, and a deleted object is on its way out`() {
        #expect(health(["phase": "Ready", "errors": [], "observedGeneration": 1]).message == "its controller has seen generation 1 of 2")
        #expect(health(["phase": "Ready", "errors": [], "observedGeneration": 2]).status == .current)
        #expect(health(["phase": "Ready", "errors": []], deleted: true).status == .terminating)
    }

    @Test func `without an answer the health is unknown, and says where`() {
        #expect(
            health(["phase": "Ready"]).description
                == "Unknown: healthCheckExprs failed has no answer: no such key: errors, at 1:36 of status.phase == 'Failed' || status.errors.size() > 3"
        )
    }
}
