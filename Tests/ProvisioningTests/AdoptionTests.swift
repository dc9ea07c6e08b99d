import NodePlanning
import Testing

@testable import Provisioning

@Suite struct AdoptionTests {
    @Test func theCommandLineIsFoundInWhatSystemdSays() {
        let line =
            "{ path=/usr/local/bin/k3s ; argv[]=/usr/local/bin/k3s server --disable traefik --kubelet-arg=max-pods=50 ; ignore_errors=no ; "
            + "start_time=[n/a] ; stop_time=[n/a] ; pid=1 ; code=(null) ; status=0/0 }"
        #expect(Adoption.arguments(line) == ["--disable", "traefik", "--kubelet-arg=max-pods=50"])
        #expect(
            Adoption.arguments("argv[]=k3s agent --node-name shelf ; ") == ["--node-name", "shelf"], "as it is printed of OpenRC's service")
        #expect(Adoption.arguments("something else").isEmpty)
    }

    @Test(arguments: [
        ("K3S_NODE_NAME=shelf", "K3S_NODE_NAME", "shelf"), ("K3S_RESOLV_CONF=\"/etc/a b\"", "K3S_RESOLV_CONF", "/etc/a b"),
        ("K3S_TOKEN='***'", "K3S_TOKEN", "***"), ("K3S_URL=", "K3S_URL", ""), ("A==", "A", "="),
    ]) func variablesAreReadAsWritten(_ line: String, _ name: String, _ value: String) throws {
        let assignment = try #require(Adoption.assignment(line))
        #expect(assignment.name == name && assignment.value == value)
    }
}

@Suite struct ServerReviewTests {
    @Test func whatTheSurveyPrintsIsRead() {
        let review = ServerReview(
            printed: """
                -- readyz
                [+]ping ok
                readyz check passed
                -- etcd
                etcd_mvcc_db_total_size_in_bytes 2.0971520e+07
                etcd_server_quota_backend_bytes 2.147483648e+09

                -- snapshots
                1795400000
                1795300000
                -- certificates
                """)
        #expect(review.readiness == "ok" && review.newestSnapshot == 1_795_400_000)
        #expect(review.etcdComplaint == nil && review.etcdSize == 20 << 20 && review.etcdQuota == 2048 << 20)
        let ill = ServerReview(
            printed: "-- readyz\n[-]etcd failed: reason withheld\n-- etcd\n{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n")
        #expect(ill.readiness == "[-]etcd failed: reason withheld" && ill.etcdComplaint == "ALARM NOSPACE" && ill.etcdSize == nil)
        #expect(ServerReview(printed: "-- etcd\n{\"health\":\"false\"}\n").etcdComplaint == "an alarm, or no leader")
        #expect(ServerReview(printed: "-- readyz\nok\n-- etcd\n").etcdComplaint == nil, "a k3s that does not tell is not ill")
    }
}
