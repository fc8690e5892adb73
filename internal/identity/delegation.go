package identity

import (
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// What a delegated token may do with what proves a person - passwords, one-time
// seeds, key pairs, application credentials, trusts, OAuth1 tokens - is said
// here and nowhere else: nothing, but for what its own delegation made. The
// use cases ask after the policy, which knows roles and owners, not delegations.

// proves marks what only the person may touch, never a delegated token.
func proves(a *actor.Actor, what string) error {
	if a.Delegated() {
		return errs.New(errs.Forbidden, "A token that was delegated cannot manage %s: log in as the user.", what)
	}
	return nil
}

// ownRecord keeps a delegated token from the accounts of those it speaks for.
func ownRecord(a *actor.Actor, userID string) error {
	if slices.Contains([]string{a.UserID, a.TrustorID, a.TrusteeID}, userID) {
		return proves(a, "the account that it speaks for")
	}
	return nil
}

// bySignature refuses tokens that a key pair's signature got: they make nothing.
func bySignature(a *actor.Actor) error {
	if slices.Contains(a.Methods, EC2Method) {
		return errs.New(errs.Forbidden, "A token of an EC2 signature cannot manage credentials.")
	}
	return nil
}

// delegationOf names the delegation a token came by, "" for a person's own.
func delegationOf(a *actor.Actor) string {
	switch {
	case a.TrustID != "":
		return "trust/" + a.TrustID
	case a.AppCredentialID != "":
		return "application_credential/" + a.AppCredentialID
	case a.AccessTokenID != "":
		return "oauth1/" + a.AccessTokenID
	}
	return ""
}

// withinDelegation lets a delegated token have the key pairs that its own
// delegation made in its own project, and no other credential.
func withinDelegation(a *actor.Actor, c Credential) error {
	if !a.Delegated() {
		return nil
	}
	if err := bySignature(a); err != nil {
		return err
	}
	if !isEC2(c.Type) || c.UserID != a.UserID || c.ProjectID != a.ProjectID || c.Delegation != delegationOf(a) {
		return errs.New(errs.Forbidden, "A token that was delegated has no credentials but the EC2 key pairs that it made itself, in its own project.")
	}
	return nil
}

// theDelegations confines a list of credentials in the same way.
func theDelegations(a *actor.Actor) []store.Cond {
	if !a.Delegated() {
		return nil
	}
	made := delegationOf(a)
	if made == "" {
		made = EC2Method // which made none
	}
	return []store.Cond{store.Eq("user_id", a.UserID), store.Eq("project_id", a.ProjectID), store.Eq("delegation", made)}
}

// mayManage refuses what would outlive a restricted application credential.
func mayManage(a *actor.Actor) error {
	if a.AppCredentialRestricted {
		return errs.New(errs.Forbidden, "Using method 'application_credential' is not allowed for managing additional application credentials.")
	}
	return nil
}

// notByTrust refuses tokens of trusts, OAuth1 and signatures: an application
// credential would outlive the delegation and break its chain.
func notByTrust(a *actor.Actor) error {
	if a.TrustID != "" || a.AccessTokenID != "" {
		return errs.New(errs.Forbidden, "Cannot manage application credentials with a token issued via delegation.")
	}
	return bySignature(a)
}

// managesRules is for the rules that a user keeps for application credentials.
func managesRules(a *actor.Actor) error {
	if err := notByTrust(a); err != nil {
		return err
	}
	return mayManage(a)
}

// seesAppCred lets a restricted application credential see itself alone.
func seesAppCred(a *actor.Actor, id string) error {
	if err := notByTrust(a); err != nil || id == a.AppCredentialID {
		return err
	}
	return mayManage(a)
}

// narrower gives a new application credential the access rules of the one that
// makes it, or a part of them: its limits cannot be shed.
func narrower(maker *AppCredential, made *AppCredential) error {
	if maker == nil || len(maker.AccessRuleIDs) == 0 {
		return nil
	}
	if len(made.AccessRules) == 0 {
		made.AccessRules = slices.Clone(maker.AccessRules)
	}
	for _, r := range made.AccessRules {
		if !slices.ContainsFunc(maker.AccessRules, func(have AccessRule) bool {
			return r.Path == "" && have.ID == r.ID || have.Service == r.Service && have.Method == r.Method && have.Path == r.Path
		}) {
			return errs.New(errs.Forbidden, "An application credential whose access rules allow less cannot make one with the rule %s %s of %s.", r.Method, r.Path, r.Service)
		}
	}
	return nil
}

// notByAppCred refuses tokens of application credentials: a trust would carry
// on what the credential was given for.
func notByAppCred(a *actor.Actor) error {
	if a.AppCredentialID != "" {
		return errs.New(errs.Forbidden, "Using method 'application_credential' is not allowed for managing trusts.")
	}
	return bySignature(a)
}

// withinTrust lets a trust's token see and end its own trust and those that
// pass it on, and a token of OAuth1 none.
func withinTrust(a *actor.Actor, t Trust) error {
	if err := notByAppCred(a); err != nil || !a.Delegated() {
		return err
	}
	if a.TrustID == "" || t.ID != a.TrustID && t.RedelegatedTrustID != a.TrustID {
		return errs.New(errs.Forbidden, "A token that was delegated has no trusts but its own and those that pass it on.")
	}
	return nil
}
