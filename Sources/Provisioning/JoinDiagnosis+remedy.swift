package import Diagnostics
package import NodePlanning

extension JoinDiagnosis {
    /// The finding a person reads: which node, what happened, k3s' own words, what to do.
    /// - Parameter words: of the machine's init system.
    package func diagnostic(node: String, _ words: ServiceWords = .systemd) -> Diagnostic {
        Diagnostic(.error, summary, subject: "node \"\(node)\"", cause: evidence, remedy: remedy(node: node, words))
    }

    package var summary: String {
        switch cause {
        case .nodePasswordRejected: "the cluster knows a node of this name with another node password"
        case .wrongCluster: "the join token belongs to another cluster, or the cluster's CA was rotated"
        case .otherToken: "this machine holds the data of a cluster made with another token"
        case .tokenRefused: "the server refused the join token"
        case .clock: "the clocks of this machine and of the server disagree about the certificates' dates"
        case .addressNotInCertificate: "the server's certificate does not name the address it was called by"
        case .missingCgroup: "the kernel does not offer a cgroup controller that k3s needs"
        case .serversDiffer: "this server's settings differ from those of the other servers"
        case .duplicateMember: "etcd already has a member of this name"
        case .anotherServerJoining: "another server is joining at this moment"
        case .unhealthyEtcd: "etcd takes no new member while one of its members is down"
        case .portTaken: "a port that k3s needs is taken by another program"
        case .diskFull: "the disk is full"
        case .wrongBinary: "the k3s binary cannot be run on this machine"
        case .unknownFlag: "this k3s version does not know a setting it was given"
        case .noDefaultRoute: "the machine has no default route, which k3s needs to choose its address"
        case .outOfMemory: "the machine ran out of memory"
        case .serverUnreachable: "the machine cannot reach the server on port 6443"
        case .fatal: "k3s stopped with an error"
        case .waiting: "k3s still waits for its server"
        }
    }

    private func remedy(node: String, _ words: ServiceWords) -> String {
        switch cause {
        case .nodePasswordRejected:
            "If the machine was installed anew, run `kubectl delete node \(node)` and run again; "
                + "if two machines have this name, give one of them another name in the inventory."
        case .wrongCluster:
            "Run again: the token is read afresh from the first server. If it stays, check that `host` of every server is right and that "
                + "no file in /etc/rancher/k3s/config.yaml.d of this machine sets another token."
        case .otherToken:
            "If the token was rotated, run `homelab token rotate`: it goes on and gives this server the new one. Else put the old token back. "
                + "Only where another server has the data, or nobody needs it, remove /var/lib/rancher/k3s/server/db; then run again."
        case .tokenRefused:
            "Run again: a new token is made for every join. If it stays, `homelab doctor` shows what the server says."
        case .clock: "Set the clock (\(words.setClock)), then run again."
        case .addressNotInCertificate: "Add the address to the cluster's `tls-san` in the inventory, then run again."
        case .missingCgroup:
            "On a Raspberry Pi add `cgroup_memory=1 cgroup_enable=memory` to the one line of /boot/firmware/cmdline.txt and reboot; then run again."
        case .serversDiffer: "Settings that all servers share belong under the cluster's `config` in the inventory, not under one node's."
        case .duplicateMember:
            "Delete the old Node of this name (`kubectl delete node \(node)`), wait until its etcd member is gone, then run again."
        case .anotherServerJoining: "Wait until the other server has joined (about 15 s), then run again."
        case .unhealthyEtcd: "Bring the server that is down back, or remove it (`state: absent`), then run again."
        case .portTaken: "Stop the program that holds the port (`ss -ltnp`), then run again."
        case .diskFull: "Free space under /var/lib/rancher (`df -h /var/lib/rancher`), then run again."
        case .wrongBinary: "Check the machine's architecture (`uname -m`) and the binary in the inventory's `source`, then run again."
        case .unknownFlag: "Remove the setting from the inventory or choose the k3s version that knows it, then run again."
        case .noDefaultRoute: "Add a default route (one to a dummy interface will do), then run again."
        case .outOfMemory: "k3s needs about 2 GB on a server and 512 MB on an agent; free memory, then run again."
        case .serverUnreachable: "Check address and firewall: TCP 6443 of every server has to be open to this machine; then run again."
        case .fatal, .waiting: "Look at all it said with \(words.log("k3s", "k3s-agent")) on the machine, then run again."
        }
    }
}
