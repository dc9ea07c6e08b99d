import Diagnostics
import Testing

@Suite struct KnownSecretsTests {
    private func known(_ texts: String...) -> KnownSecrets {
        var result = KnownSecrets()
        for text in texts { result.add(text) }
        return result
    }

    @Test func noPartOfASecretIsTold() {
        let secrets = known("s3cret-password", "s3cret", #"pass"word\1"#, "first line\nsecond line\n")
        #expect(secrets.masked("s3cret-password s3cret") == "***** *****")
        #expect(secrets.masked(#"Invalid value: "pass\"word\\1": no"#) == #"Invalid value: "*****": no"#)
        #expect(secrets.masked(#""first line\nsecond line\n""#) == #""*****\n*****\n""#)
        #expect(secrets.occur(in: "host: s3cret.example.org") && !secrets.occur(in: "nothing"))
    }

    @Test func whatStandsEverywhereIsLeft() {
        let secrets = known("abc", "true", "8080", "1.2", "", "test", "123456")
        #expect(secrets.masked("abc true 8080 1.2 latest test 123456") == "abc true 8080 1.2 latest ***** *****")
        #expect(known("on").isEmpty && KnownSecrets() == known("off"))
    }

    @Test func aLongOneIsKnownByItsBeginning() {
        let long = String(repeating: "é", count: 150) + String(repeating: "x", count: 200)
        #expect(known(long).masked("value \"\(long)\" is wrong") == "value \"*****\" is wrong")
    }

    @Test func placesAndRemediesOfFindingsStay() {
        let place = SourceLocation(file: "s3cret/a.yaml", line: 1)
        let finding = Diagnostic(.error, "a s3cret", subject: "s3cret", at: place, cause: "the s3cret", remedy: "look")
        let masked = Diagnostics([finding]).masked(known("s3cret")).all[0]
        #expect(masked == Diagnostic(.error, "a *****", subject: "s3cret", at: place, cause: "the *****", remedy: "look"))
    }
}
