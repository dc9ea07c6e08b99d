import CommitSignatures
package import Diagnostics
import FileSystem
package import Git
package import KubernetesModel

/// Whose word about the machines counts: whoever can change the inventory is root on all of them.
///
/// Where the servers have a file of allowed signers (root's, put there by bootstrap and not read from the repository), an inventory is
/// taken only when an allowed signer has signed a commit with exactly this inventory, and only when it follows from the one that was taken
/// last: so that an old commit, signed as it may be, cannot be brought back. Commits that change nothing below the inventory need neither.
package struct InventoryTrust: Sendable {
    /// Which commit's inventory is to be carried out.
    package struct Choice: Sendable {
        /// The newest commit whose inventory is trusted; nil when there is none.
        package var commit: CommitInfo?
        /// Why the newest commit's inventory is not taken.
        package var refusal: Diagnostic?
        /// To be recorded before anything is done.
        var isNew = false
        var signer = ""
    }

    /// So many commits without a change of the inventory may lie above the signed one.
    private static let depth = 1000

    let repository: any RepositorySource
    let api: any ClusterAPI
    /// In the repository's tree.
    let inventory: String
    /// On this server; nil: everything is taken.
    let signersFile: String?

    package init(repository: any RepositorySource, api: any ClusterAPI, inventory: String, signersFile: String?) {
        self.repository = repository
        self.api = api
        self.inventory = inventory
        self.signersFile = signersFile
    }

    /// Decides about the newest commit, and records what is taken before anything is done by it.
    /// - Throws: `ClusterError` when the record cannot be read or written, `SourceProblem` when the repository cannot be read.
    package func choose(_ commit: CommitInfo) async throws -> Choice {
        let applied = try await AppliedInventory(in: api)
        if applied.commit == commit.id { return Choice(commit: commit) }
        let choice = try await signersFile == nil ? Choice(commit: commit, isNew: true) : judged(commit, applied)
        if choice.isNew { try await AppliedInventory.record(commit.id, signer: choice.signer, in: api) }
        return choice
    }

    private func judged(_ commit: CommitInfo, _ applied: AppliedInventory) async throws -> Choice {
        let wanted = try await digest(of: commit.id)
        // What was applied may be gone from a mirror that was made anew.
        var last: CommitInfo?
        if let id = applied.commit { last = try? await repository.info(of: id) }
        var isRewound = false
        if let id = applied.commit, applied.acceptedHistory != commit.id.hex {
            isRewound = try await !repository.isAncestor(id, of: commit.id)
        }
        if let last, try await digest(of: last.id) == wanted { return Choice(commit: isRewound ? last : commit, isNew: !isRewound) }
        if isRewound, let id = applied.commit { return Choice(commit: last, refusal: rewound(commit, id)) }
        do throws(SignatureProblem) {
            let signer = try await signer(of: wanted, from: commit)
            return Choice(commit: commit, isNew: true, signer: signer.description)
        } catch {
            return Choice(commit: last, refusal: unsigned(commit, error))
        }
    }

    private func digest(of commit: ObjectID) async throws(SourceProblem) -> String {
        InventoryTexts(try await repository.tree(of: commit, under: [Files.directoryName(inventory)]), inventory).digest
    }

    /// Who signed this inventory: the commit itself, or one below it from which on the inventory has stayed the same.
    private func signer(of wanted: String, from commit: CommitInfo) async throws(SignatureProblem) -> Signer {
        let signers = try allowedSigners()
        var first: SignatureProblem?
        var seen: Set<ObjectID> = []
        var next = [commit]
        while !next.isEmpty, seen.count < Self.depth {
            let here = next.removeFirst()
            guard seen.insert(here.id).inserted else { continue }
            do throws(SignatureProblem) {
                return try await signers.verify(commit: bytes(of: here.id))
            } catch {
                first = first ?? error
            }
            for parent in here.parents {
                guard let info = try? await repository.info(of: parent), (try? await digest(of: parent)) == wanted else { continue }
                next.append(info)
            }
        }
        throw first ?? SignatureProblem(.unsigned, "nobody signed it")
    }

    private func bytes(of id: ObjectID) async throws(SignatureProblem) -> [UInt8] {
        do {
            if case .commit(let bytes) = try await repository.object(id) { return bytes }
            throw SignatureProblem(.malformed, "\(id) is no commit")
        } catch let problem as SignatureProblem {
            throw problem
        } catch {
            throw SignatureProblem(.malformed, "\(error)")
        }
    }

    /// Read anew each time: bootstrap may have brought another. Without it nobody is trusted.
    private func allowedSigners() throws(SignatureProblem) -> AllowedSigners {
        let file = signersFile ?? ""
        do {
            return try AllowedSigners(Files.readText(file, limit: 1 << 20), name: file)
        } catch {
            throw SignatureProblem(.unknownKey, "the allowed signers cannot be read: \(error)")
        }
    }

    private func unsigned(_ commit: CommitInfo, _ problem: SignatureProblem) -> Diagnostic {
        Diagnostic(
            .error, "the inventory of commit \(commit.id.hex.prefix(12)) is not taken", subject: "nodes", cause: problem.description,
            remedy: "sign it (`git commit --amend -S`, gpg.format=ssh) with a key that \(signersFile ?? "") on the servers lists, "
                + "and push; the inventory taken before stays in force")
    }

    private func rewound(_ commit: CommitInfo, _ applied: ObjectID) -> Diagnostic {
        Diagnostic(
            .error, "the inventory of commit \(commit.id.hex.prefix(12)) is not taken", subject: "nodes",
            cause: "it does not follow from \(applied.hex.prefix(12)), whose inventory is in force: the branch was moved back or rewritten",
            remedy: "put the change on top of \(applied.hex.prefix(12)) and sign it; if the branch was moved on purpose: "
                + "kubectl -n \(HomelabNamespace.name) annotate --overwrite configmap \(AppliedInventory.name) "
                + "\(InventoryStore.acceptHistory)=\(commit.id.hex)")
    }
}
