extension Step {
    /// The node a step is about when that need not be the node it runs on: it is left out when that node failed before.
    package var subjectNode: String? {
        switch self {
        case .awaitNode(let name, _, _, _): name
        case .revokeToken(_, let node, _): node
        case .updateNode(let change, _): change.node
        case .cordon(let node, _, _), .uncordon(let node, _), .awaitWorkloads(let node, _), .removeMember(let node, _),
            .deleteNode(let node, _):
            node
        case .drain(let request, _): request.node
        default: nil
        }
    }

    /// The server whose kubectl a step goes through.
    package var via: String? {
        switch self {
        case .awaitNode(_, let via, _, _), .revokeToken(_, _, let via), .updateNode(_, let via), .cordon(_, _, let via),
            .drain(_, let via), .uncordon(_, let via), .awaitWorkloads(_, let via), .removeMember(_, let via), .deleteNode(_, let via):
            via
        default: nil
        }
    }
}
