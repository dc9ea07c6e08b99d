import Foundation

/// What a ``GitHost`` knows of a GitHub App: below `/api/v3` it answers as GitHub's API does, and below `/app` it serves the repository to
/// who has a token from there.
package struct GitHubAppRules {
    package var issuer = "7"
    package var installation = 42
    /// Whose installation it is.
    package var owner = "ada"
    /// How many seconds a token holds.
    package var life = 3600
    /// By how many seconds the host's clock is ahead.
    package var skew = 0

    package init() {}
}

extension GitHost {
    /// Makes an App with a key of its own, which the host knows from now on; the key's PEM.
    @discardableResult
    package func makeApp(_ rules: GitHubAppRules = GitHubAppRules()) throws -> String {
        let key = folder + "/app.pem"
        try Loopback.run("/usr/bin/openssl", ["genrsa", "-traditional", "-out", key, "2048"])
        try Loopback.run("/usr/bin/openssl", ["rsa", "-in", key, "-pubout", "-out", folder + "/app.pub"])
        let text = """
            {"issuer": "\(rules.issuer)", "installation": \(rules.installation), "owner": "\(rules.owner)", "life": \(rules.life), \
            "skew": \(rules.skew)}
            """
        try text.write(toFile: folder + "/app.json", atomically: true, encoding: .utf8)
        return try String(contentsOfFile: key, encoding: .utf8)
    }

    /// Tokens that were given count no more, as after an App was installed anew.
    package func revokeTokens() throws { try "".write(toFile: folder + "/revoked", atomically: true, encoding: .utf8) }

    /// How often a token was given.
    package var tokenCount: Int { requests.count { $0.hasPrefix("POST /api/v3/app/installations/") } }

    /// The part of the server's program that plays GitHub's API: an assertion's signature is verified by openssl, its claims as GitHub's
    /// documentation says.
    static let github = """
        import base64, json, os, subprocess, tempfile, threading, time
        TOKENS, LOCK = {}, threading.Lock()

        def rules(root):
            try:
                with open(root + "/app.json") as file: return json.load(file)
            except OSError: return {"skew": 0}

        def now(root): return time.time() + rules(root)["skew"]

        def plain(text): return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

        def doubt(root, given):
            parts = (given or "")[7:].split(".")
            if not (given or "").startswith("Bearer ") or len(parts) != 3 or "=" in given: return "A JSON web token could not be decoded"
            try: head, claims = json.loads(plain(parts[0])), json.loads(plain(parts[1]))
            except ValueError: return "A JSON web token could not be decoded"
            if head != {"alg": "RS256", "typ": "JWT"} or set(claims) != {"iat", "exp", "iss"}: return "other claims than expected"
            with tempfile.NamedTemporaryFile() as signature:
                signature.write(plain(parts[2]))
                signature.flush()
                command = ["openssl", "dgst", "-sha256", "-verify", root + "/app.pub", "-signature", signature.name]
                if subprocess.run(command, input=(parts[0] + "." + parts[1]).encode(), capture_output=True).returncode != 0:
                    return "A JSON web token could not be decoded"
            if type(claims["iat"]) is not int or claims["iat"] > now(root): return "'Issued at' claim ('iat') is in the future"
            if type(claims["exp"]) is not int or claims["exp"] <= now(root): return "'Expiration time' claim ('exp') must be in the future"
            if claims["exp"] > now(root) + 600: return "'Expiration time' claim ('exp') is too far in the future"
            if claims["iss"] != rules(root)["issuer"]: return "Integration not found"

        def answer(root, method, path, given):
            app = rules(root)
            if "issuer" not in app: return 404, {"message": "Not Found"}
            words = doubt(root, given)
            if words: return 401, {"message": words}
            if method == "GET" and path == f"/v3/users/{app['owner']}/installation": return 200, {"id": app["installation"]}
            if method == "POST" and path == f"/v3/app/installations/{app['installation']}/access_tokens":
                end = int(now(root)) + app["life"]
                with LOCK:
                    token = f"ghs_s3cret{len(TOKENS)}"
                    TOKENS[token] = end
                return 201, {"token": token, "expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))}
            return 404, {"message": "Not Found"}

        def lets_in(root, given):
            with LOCK:
                if os.path.exists(root + "/revoked"):
                    TOKENS.update({token: 0 for token in TOKENS})
                    os.remove(root + "/revoked")
                if not (given or "").startswith("Basic "): return False
                name, _, token = base64.b64decode(given[6:]).decode().partition(":")
                return name == "x-access-token" and TOKENS.get(token, 0) > now(root)
        """
}
