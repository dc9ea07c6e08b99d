internal import HTTP
internal import KubernetesModel
internal import YAML

/// The API server's refusals: a `Status` object, or plain text from what stands before it.
enum StatusAnswer {
    /// The error behind an answer that is no success.
    static func error(status code: Int, headers: [(name: String, value: String)], body: [UInt8], subject: String) -> ClusterError {
        let response = HTTPResponse(status: code, headers: headers)
        if let value = try? JSONReader.value(body), value["kind"]?.string == "Status" {
            return error(value, code: code, retryAfter: retryAfter(response, value), subject: subject)
        }
        let text = String(decoding: body.prefix(500), as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
        return ClusterError(
            kind(code: code, reason: "", message: text), subject: subject,
            message: text.isEmpty ? "HTTP \(code)" : "\(text) (HTTP \(code))",
            retryAfter: retryAfter(response, nil))
    }

    /// From the Status object alone: the ERROR event of a watch.
    static func error(_ status: Value, code: Int? = nil, retryAfter: Duration? = nil, subject: String) -> ClusterError {
        let code = code ?? status["code"]?.int.map { Int($0) } ?? 500
        let message = status["message"]?.string ?? status["reason"]?.string ?? "HTTP \(code)"
        var causes = (status[path: "details", "causes"]?.array ?? []).map { cause in
            ClusterError.Cause(
                field: cause["field"]?.string ?? "", reason: cause["reason"]?.string ?? "", message: cause["message"]?.string ?? "")
        }
        let kind = kind(code: code, reason: status["reason"]?.string ?? "", message: message)
        if kind == .invalid, causes.isEmpty, let field = undeclaredField(message) {
            causes = [ClusterError.Cause(field: field, reason: "FieldNotDeclared", message: "field not declared in schema")]
        }
        return ClusterError(kind, subject: subject, message: message, retryAfter: retryAfter, causes: causes)
    }

    private static func kind(code: Int, reason: String, message: String) -> ClusterError.Kind {
        switch (code, reason) {
        case (404, _): .notFound
        case (409, "AlreadyExists"): .alreadyExists
        case (409, _): .conflict
        case (422, _), (413, _): .invalid
        case (400, _), (405, _), (406, _), (415, _): .badRequest
        case (401, _): .unauthorized
        case (403, _): .forbidden
        case (410, _): .expired
        case (429, _): .tooManyRequests
        // Server-side apply answers an unknown field with 500, though no retry will help.
        case (500, _) where message.contains("failed to create typed"): .invalid
        case (500..., _): .serverFailure
        default: .badRequest
        }
    }

    /// `...: .spec.foo: field not declared in schema`
    private static func undeclaredField(_ message: String) -> String? {
        guard message.hasSuffix(": field not declared in schema") else { return nil }
        let parts = message.split(separator: " ").map { $0.last == ":" ? $0.dropLast() : $0 }
        return parts.last { $0.hasPrefix(".") }.map { String($0.dropFirst()) }
    }

    private static func retryAfter(_ response: HTTPResponse, _ status: Value?) -> Duration? {
        let seconds = response.header("Retry-After").flatMap { Int64($0) } ?? status?[path: "details", "retryAfterSeconds"]?.int
        return seconds.flatMap { $0 > 0 ? .seconds($0) : nil }
    }
}

extension ClusterError {
    /// No answer at all.
    init(_ error: HTTPError, subject: String) {
        let kind: Kind =
            switch error.kind {
            case .unreachable, .connectionLost: .unreachable
            case .timedOut: .timedOut
            case .untrusted, .refused: .unauthorized
            case .invalidRequest: .badRequest
            }
        self.init(kind, subject: subject, message: error.description)
    }
}
