import Diagnostics
import KubernetesModel
import Testing
import YAML

@testable import SyncPlanning

@Suite struct SubstitutionTests {
    static let variables = ["var": "abc", "x": "a/b/a", "empty": "", "lines": "a\nb\n", "n": "3", "quote": "\"", "id": "123"]

    /// What Flux' own library gave for these.
    static let cases: [(String, String)] = [
        ("${var}", "abc"), ("$var", "$var"), ("$(cmd)", "$(cmd)"), ("$${var}", "${var}"), ("$$var", "$var"), ("a $$ b", "a $ b"),
        ("$$${var}", "$abc"), ("${m:-d}", "d"), ("${m:=d}", "d"), ("${m=d}", "d"), ("${empty=d}", "d"), ("${empty:=d}", "d"),
        ("${m:?e}", "e"), ("${m:+alt}", "alt"), ("${var:+alt}", "abc"), ("${missing:=${var}}", "abc"), ("${m:=a}b}", "ab}"),
        ("${#var}", "3"), ("${var^}", "Abc"), ("${var^^}", "ABC"), ("${var,}", "abc"), ("${var,,}", "abc"), ("${var:1:1}", "b"),
        ("${var:1}", "bc"), ("${var: -1}", "abc"), ("${var:1:9223372036854775807}", "bc"), ("${x//a/Z}", "Z/b/Z"), ("${x/a/Z}", "Z/b/a"),
        ("${x/#a/r}", "r/b/a"),
        ("${x/%a/r}", "a/b/r"), ("${x%%/*}", "a"), ("${x%/*}", "a/b"), ("${x#*/}", "b/a"), ("${x##*/}", "a"), ("${lines}", "ab"),
        ("${empty}", ""), ("no dollar", "no dollar"), ("${x//\\//-}", "a/b/a"), ("$", "$"), ("${var}${var}", "abcabc"),
    ]

    @Test(arguments: cases) func `an expression gives what Flux gives`(_ input: String, _ expected: String) {
        var template = SubstitutionTemplate(input, variables: Self.variables)
        #expect(template.result() == expected)
        #expect(template.problems.isEmpty, "\(template.problems)")
    }

    @Test(arguments: [
        ("${missing}", "not set"), ("${#missing}", "not set"), ("${m-d}", "missing closing brace"), ("${m+alt}", "missing closing brace"),
        ("${var.a}", "missing closing brace"), ("${x/a}", "missing closing brace"), ("${}", "unable to parse variable name"),
        ("${ v }", "unable to parse variable name"), ("${{ f }}", "unable to parse variable name"), ("${var", "missing closing brace"),
    ]) func `what Flux refuses is refused`(_ input: String, _ expected: String) {
        var template = SubstitutionTemplate(input, variables: Self.variables)
        _ = template.result()
        #expect(template.problems.count == 1 && template.problems[0].text().contains(expected), "\(template.problems)")
    }

    private func manifest(_ text: String) throws -> Manifest {
        Manifest(
            try #require(try YAMLReader.values(text, file: "t").first), origin: SourceLocation(file: "apps/a.yaml", line: 2))
    }

    @Test func `a number is a number where it can be one, and a text where only texts are`() throws {
        let given = try manifest(
            """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: "${var}", labels: {id: "${id}"}}
            spec:
              replicas: ${n}
              template: {spec: {containers: [{name: a, env: [{name: ID, value: "${id}"}, {name: Q, value: "${quote}${id}${quote}"}]}]}}
            """)
        let result = try Substitution(variables: Self.variables).result(of: given)
        #expect(result.name == "abc" && result.label("id") == "123")
        #expect(result.value[path: "spec", "replicas"] == 3)
        let env = result.value[path: "spec", "template", "spec", "containers"]?.array?.first?["env"]?.array
        #expect(env?[0]["value"] == "123" && env?[1]["value"] == "123")
        #expect(result.origin == given.origin)
    }

    @Test func `an object that opts out stays as it is, and problems name the object's place`() throws {
        let script = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a%}\ndata: {run: 'echo ${HOME} ${OTHER}'}\n"
        let marked = try manifest(
            script.split(separator: "%").joined(separator: ", annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}"))
        #expect(try Substitution(variables: [:]).result(of: marked) == marked)
        let unmarked = try manifest(script.filter { $0 != "%" })
        #expect(try Substitution(variables: [:], isComplete: false).result(of: unmarked) == unmarked)
        let problems = #expect(throws: Diagnostics.self) { try Substitution(variables: [:]).result(of: unmarked) }
        #expect(problems?.all.map(\.location?.file) == ["apps/a.yaml", "apps/a.yaml"])
        #expect(
            problems?.all.compactMap(\.cause) == ["data.run: the variable HOME is not set", "data.run: the variable OTHER is not set"])
    }

    @Test func `a problem names the field that has it`() throws {
        let given = try manifest(
            """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: a, labels: {"${key}": "1"}}
            spec: {replicas: "${n", paused: "yes ${", template: {spec: {containers: [{name: a}, {name: b, image: "a:${tag}"}]}}}
            """)
        let problems = #expect(throws: Diagnostics.self) { try Substitution(variables: [:]).result(of: given) }
        #expect(
            Set(problems?.all.compactMap(\.cause) ?? []) == [
                "metadata.labels[\"${key}\"]: the variable key is not set", "spec.replicas: ${n: missing closing brace",
                "spec.paused: ${: unable to parse variable name",
                "spec.template.spec.containers[1].image: the variable tag is not set",
            ])
    }

    @Test func `a value that breaks the object is not told`() throws {
        let given = try manifest("apiVersion: v1\nkind: Thing\nmetadata: {name: a}\nspec: {user: \"${user}\", password: \"${pw}\"}\n")
        let problems = #expect(throws: Diagnostics.self) {
            try Substitution(variables: ["pw": "*s3cretpassword", "user": "ada"]).result(of: given)
        }
        #expect(problems?.all.map(\.cause) == ["spec.password: with its variables put in it is no YAML any more"])
        #expect(problems?.description.contains("s3cret") == false && problems?.description.contains("${quote}") == true)
    }

    @Test func `where nothing may be quoted the field alone is named`() throws {
        let given = try manifest("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: 'pa${s3cret', b: 'x${ s3cret'}\n")
        var substitution = Substitution(variables: ["s": "1"])
        substitution.quotes = false
        let problems = #expect(throws: Diagnostics.self) { try substitution.result(of: given) }
        #expect(
            problems?.all.compactMap(\.cause) == [
                "stringData.a: an expression has no closing brace", "stringData.b: an expression begins with no variable's name",
            ])
    }
}
