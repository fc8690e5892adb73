package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// EC2Credential is the type of credentials that hold an EC2 key pair.
const EC2Credential = "ec2"

// ec2Blob is what an EC2 credential holds. How it was made stays with it: a
// key pair made with a delegated token can do no more than the delegation.
type ec2Blob struct {
	Access        string `json:"access"`
	Secret        string `json:"secret"`
	TrustID       string `json:"trust_id,omitempty"`
	AppCredID     string `json:"app_cred_id,omitempty"`
	AccessTokenID string `json:"access_token_id,omitempty"`
}

func isEC2(kind string) bool { return strings.EqualFold(kind, EC2Credential) }

// EC2ID is the id of the credential that holds an access key.
func EC2ID(access string) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

func credentialTarget(c Credential) policy.Target {
	return policy.Target{
		"target.credential.id": c.ID, "target.credential.user_id": c.UserID, "target.credential.project_id": none(c.ProjectID),
		"target.credential.type": c.Type, "user_id": c.UserID,
	}
}

// seal and openCredential keep blobs encrypted at rest, each bound
// to its id.
func (f *Credentials) seal(ctx context.Context, c Credential) (Credential, error) {
	sealed, err := f.s.sealer.seal(ctx, credentialKey, c.ID, []byte(c.Blob))
	c.Blob = sealed
	return c, err
}

func (f *Credentials) open(ctx context.Context, c Credential) (Credential, error) {
	text, err := f.s.sealer.open(ctx, credentialKey, c.ID, c.Blob)
	c.Blob = string(text)
	return c, err
}

// List lists the credentials that the actor may see. All but those
// who may see everybody's are confined to their own in the query itself.
func (f *Credentials) List(ctx context.Context, q store.Query) (store.Page[Credential], error) {
	a := actor.From(ctx)
	if err := f.s.check(ctx, "identity:list_credentials", policy.Target{"target.credential.user_id": a.UserID}); err != nil {
		return store.Page[Credential]{}, err
	}
	if !f.s.policy.Allowed(ctx, "identity:get_credential", policy.Target{}) {
		q.Where = append(q.Where, store.Eq("user_id", a.UserID))
	}
	q.Where = append(q.Where, theDelegations(a)...)
	page, err := family.List(ctx, f.s.base, f.s.store.Credentials, q)
	for _, c := range page.Rows {
		if err == nil {
			*c, err = f.open(ctx, *c)
		}
	}
	return page, err
}

// get loads a credential under a rule.
func (f *Credentials) get(ctx context.Context, tx *store.Tx, rule, id string) (Credential, error) {
	c, err := family.Get(ctx, tx, f.s.store.Credentials, id)
	target := policy.Target{}
	if err == nil {
		target = credentialTarget(c)
	} else if !errs.Is(err, errs.NotFound) {
		return c, err
	}
	if perr := f.s.check(ctx, rule, target); perr != nil {
		return c, perr
	}
	if err == nil {
		err = withinDelegation(actor.From(ctx), c)
	}
	return c, err
}

// Show returns a credential.
func (f *Credentials) Show(ctx context.Context, id string) (*Credential, error) {
	c, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (Credential, error) {
		return f.get(ctx, tx, "identity:get_credential", id)
	})
	if err != nil {
		return nil, err
	}
	return family.One(f.open(ctx, c))
}

// Create keeps a secret for a user.
func (f *Credentials) Create(ctx context.Context, in change.Patch[Credential]) (*Credential, error) {
	var c Credential
	if err := in.To(&c); err != nil {
		return nil, err
	}
	a := actor.From(ctx)
	if c.UserID == "" {
		c.UserID = a.UserID
	}
	if err := f.s.check(ctx, "identity:create_credential", credentialTarget(c)); err != nil {
		return nil, err
	}
	c.ID, c.Delegation = ids.NewHex(), delegationOf(a)
	if err := withinDelegation(a, c); err != nil {
		return nil, err
	}
	if isEC2(c.Type) {
		blob, err := newEC2(a, c)
		if err != nil {
			return nil, err
		}
		c.ID = EC2ID(blob.Access)
		if a.Delegated() {
			c.Blob = blob.merged(c.Blob)
		}
	}
	sealed, err := f.seal(ctx, c)
	if err != nil {
		return nil, err
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Credential, error) {
		if _, err := family.Get(ctx, tx, f.s.store.Users.Table, c.UserID); err != nil && !errs.Is(err, errs.NotFound) {
			return c, err
		}
		if err := f.s.store.Credentials.Insert(ctx, tx, &sealed); err != nil {
			return c, err
		}
		return c, f.s.base.Made(ctx, tx, "credential", c.ID)
	}))
}

// newEC2 reads what a credential of that type holds, with the delegation that
// the actor's token has.
func newEC2(a *actor.Actor, c Credential) (ec2Blob, error) {
	if err := mayManage(a); err != nil {
		return ec2Blob{}, err
	}
	blob, err := parseEC2(c.Blob)
	switch {
	case err != nil:
		return blob, err
	case c.ProjectID == "":
		return blob, errs.New(errs.Invalid, "An EC2 credential needs a project_id.")
	case a.Delegated():
		blob.TrustID, blob.AppCredID, blob.AccessTokenID = a.TrustID, a.AppCredentialID, a.AccessTokenID
	case blob.TrustID != "" || blob.AppCredID != "" || blob.AccessTokenID != "":
		return blob, errs.New(errs.Invalid, "trust_id, app_cred_id and access_token_id follow from the token and cannot be given.")
	}
	return blob, nil
}

func parseEC2(text string) (ec2Blob, error) {
	var b ec2Blob
	if err := json.Unmarshal([]byte(text), &b); err != nil || b.Access == "" {
		return b, errs.New(errs.Invalid, "Invalid blob in credential: an EC2 credential holds a JSON object with access and secret.")
	}
	return b, nil
}

// merged writes the delegation into a blob and keeps what else it holds.
func (b ec2Blob) merged(text string) string {
	all := map[string]any{}
	_ = json.Unmarshal([]byte(text), &all) // parseEC2 read it
	for k, v := range map[string]string{"trust_id": b.TrustID, "app_cred_id": b.AppCredID, "access_token_id": b.AccessTokenID} {
		if v != "" {
			all[k] = v
		}
	}
	out, err := json.Marshal(all)
	if err != nil { // it was JSON a moment ago
		return text
	}
	return string(out)
}

// Update changes a credential. Neither may it be given to somebody
// on whom the actor has no right, nor its delegation be changed.
func (f *Credentials) Update(ctx context.Context, id string, in change.Patch[Credential]) (*Credential, error) {
	before, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (Credential, error) {
		return f.get(ctx, tx, "identity:update_credential", id)
	})
	if err != nil {
		return nil, err
	}
	sealedBefore := before.Blob
	if before, err = f.open(ctx, before); err != nil {
		return nil, err
	}
	c := before
	if err := in.To(&c); err != nil {
		return nil, err
	}
	if err := f.s.check(ctx, "identity:update_credential", credentialTarget(c)); err != nil {
		return nil, err
	}
	if err := withinDelegation(actor.From(ctx), c); err != nil {
		return nil, err
	}
	if err := sameDelegation(actor.From(ctx), before, c); err != nil {
		return nil, err
	}
	sealed, err := f.seal(ctx, c)
	if err != nil {
		return nil, err
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Credential, error) {
		now, err := family.Get(ctx, tx, f.s.store.Credentials, id)
		if err != nil {
			return c, err
		}
		if now.Blob != sealedBefore || now.UserID != before.UserID {
			return c, errs.New(errs.Conflict, "Credential %s was changed meanwhile.", id)
		}
		if err := f.s.store.Credentials.Update(ctx, tx, &sealed); err != nil {
			return c, err
		}
		return c, f.s.noted(ctx, tx, "credential", updated, id)
	}))
}

// sameDelegation makes sure that an EC2 credential speaks for nobody else, and
// by no other right, than it was made with.
func sameDelegation(a *actor.Actor, before, after Credential) error {
	switch {
	case !isEC2(after.Type) && !isEC2(before.Type):
		return nil
	case !isEC2(after.Type):
		return errs.New(errs.Invalid, "The type of an EC2 credential cannot be changed.")
	case !isEC2(before.Type): // as if it were made now
		_, err := newEC2(a, after)
		return err
	}
	old, err := parseEC2(before.Blob)
	if err != nil {
		return err
	}
	now, err := parseEC2(after.Blob)
	if err != nil {
		return err
	}
	if old.TrustID != now.TrustID || old.AppCredID != now.AppCredID || old.AccessTokenID != now.AccessTokenID {
		return errs.New(errs.Invalid, "trust_id, app_cred_id and access_token_id of an EC2 credential cannot be changed.")
	}
	return nil
}

// Delete deletes a credential.
func (f *Credentials) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.get(ctx, tx, "identity:delete_credential", id); err != nil {
			return err
		}
		if err := f.s.store.Credentials.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.s.noted(ctx, tx, "credential", deleted, id)
	})
}

// EC2 is an EC2 key pair as its own API shows it.
type EC2 struct{ UserID, ProjectID, Access, Secret, TrustID string }

func (f *Credentials) toEC2(ctx context.Context, c Credential) (EC2, error) {
	c, err := f.open(ctx, c)
	if err != nil {
		return EC2{}, err
	}
	b, err := parseEC2(c.Blob)
	return EC2{UserID: c.UserID, ProjectID: c.ProjectID, Access: b.Access, Secret: b.Secret, TrustID: b.TrustID}, err
}

// ListEC2 lists a user's key pairs.
func (f *Credentials) ListEC2(ctx context.Context, userID string) ([]EC2, error) {
	if err := f.s.check(ctx, "identity:ec2_list_credentials", policy.Target{"user_id": userID}); err != nil {
		return nil, err
	}
	where := []store.Cond{store.Eq("user_id", userID), store.Eq("type", EC2Credential)}
	where = append(where, theDelegations(actor.From(ctx))...)
	rows, err := family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Credential, error) {
		if _, err := family.Get(ctx, tx, f.s.store.Users.Table, userID); err != nil {
			return nil, err
		}
		return family.Find(ctx, tx, f.s.store.Credentials, where...)
	})
	if err != nil {
		return nil, err
	}
	out := make([]EC2, len(rows))
	for i, c := range rows {
		if out[i], err = f.toEC2(ctx, c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CreateEC2 makes a key pair for a user and a project that he has a role on.
func (f *Credentials) CreateEC2(ctx context.Context, userID, projectID string) (EC2, error) {
	a := actor.From(ctx)
	target := policy.Target{"user_id": userID, "target.credential.user_id": userID, "target.credential.project_id": projectID}
	if err := f.s.check(ctx, "identity:ec2_create_credential", target); err != nil {
		return EC2{}, err
	}
	if err := mayManage(a); err != nil {
		return EC2{}, err
	}
	c := Credential{UserID: userID, ProjectID: projectID, Type: EC2Credential, Delegation: delegationOf(a)}
	if err := withinDelegation(a, c); err != nil {
		return EC2{}, err
	}
	blob := ec2Blob{Access: ids.NewHex(), Secret: ids.NewHex(), TrustID: a.TrustID, AppCredID: a.AppCredentialID, AccessTokenID: a.AccessTokenID}
	c.ID = EC2ID(blob.Access)
	text, err := json.Marshal(blob)
	if err != nil {
		return EC2{}, err
	}
	c.Blob = string(text)
	sealed, err := f.seal(ctx, c)
	if err != nil {
		return EC2{}, err
	}
	return family.Write(ctx, f.s.db, func(tx *store.Tx) (EC2, error) {
		if _, err := family.Get(ctx, tx, f.s.store.Users.Table, userID); err != nil {
			return EC2{}, err
		}
		if _, err := family.Get(ctx, tx, f.s.store.Projects.Table, projectID); err != nil {
			return EC2{}, err
		}
		if err := f.s.store.Credentials.Insert(ctx, tx, &sealed); err != nil {
			return EC2{}, err
		}
		return EC2{userID, projectID, blob.Access, blob.Secret, blob.TrustID}, f.s.noted(ctx, tx, "credential", created, c.ID)
	})
}

// getEC2 loads a key pair by its access key, under a rule.
func (f *Credentials) getEC2(ctx context.Context, tx *store.Tx, rule, access string) (Credential, error) {
	// The key itself is the secret that leads here: whoever guesses wrong learns nothing.
	absent := errs.New(errs.NotFound, "Could not find credential: %s.", access)
	c, err := family.Get(ctx, tx, f.s.store.Credentials, EC2ID(access))
	if errs.Is(err, errs.NotFound) {
		return c, absent
	}
	if err != nil {
		return c, err
	}
	if err := f.s.check(ctx, rule, credentialTarget(c)); err != nil { // the owner is the credential's, not the path's
		return c, err
	}
	if !isEC2(c.Type) {
		return c, absent
	}
	return c, withinDelegation(actor.From(ctx), c)
}

// ShowEC2 returns a key pair.
func (f *Credentials) ShowEC2(ctx context.Context, access string) (EC2, error) {
	c, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (Credential, error) {
		return f.getEC2(ctx, tx, "identity:ec2_get_credential", access)
	})
	if err != nil {
		return EC2{}, err
	}
	return f.toEC2(ctx, c)
}

// DeleteEC2 deletes a key pair.
func (f *Credentials) DeleteEC2(ctx context.Context, access string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		c, err := f.getEC2(ctx, tx, "identity:ec2_delete_credential", access)
		if err != nil {
			return err
		}
		if err := f.s.store.Credentials.Delete(ctx, tx, c.ID); err != nil {
			return err
		}
		return f.s.noted(ctx, tx, "credential", deleted, c.ID)
	})
}
