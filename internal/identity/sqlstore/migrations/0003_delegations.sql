-- Which delegation made a credential ("trust/ID", "application_credential/ID",
-- "oauth1/ID"; empty: the person): its tokens have what it made, and no other.
ALTER TABLE identity_credential ADD COLUMN delegation TEXT NOT NULL DEFAULT '';
