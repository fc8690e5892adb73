package metadef

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// The standard catalogue: the names are those that OpenStack's services know.
//
//go:embed standard.json
var standard []byte

// standardVersion grows when namespaces are added to the standard catalogue.
const standardVersion = 1

// Document is a namespace as the API and the standard catalogue write it.
type Document struct {
	Namespace    string                    `json:"namespace"`
	DisplayName  string                    `json:"display_name"`
	Description  string                    `json:"description"`
	Visibility   string                    `json:"visibility"`
	Protected    bool                      `json:"protected"`
	Owner        string                    `json:"owner"`
	Associations []AssociationDocument     `json:"resource_type_associations"`
	Properties   map[string]map[string]any `json:"properties"`
	Objects      []ObjectDocument          `json:"objects"`
	Tags         []struct {
		Name string `json:"name"`
	} `json:"tags"`
}

// AssociationDocument is an association in a Document.
type AssociationDocument struct {
	Name             string `json:"name"`
	Prefix           string `json:"prefix"`
	PropertiesTarget string `json:"properties_target"`
}

// ObjectDocument is an object in a Document.
type ObjectDocument struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Required    []string       `json:"required"`
	Properties  map[string]any `json:"properties"`
}

// Item is the object as it is kept.
func (o ObjectDocument) Item() Item {
	body := map[string]any{"description": o.Description, "required": o.Required, "properties": o.Properties}
	if o.Required == nil {
		body["required"] = []string{}
	}
	if o.Properties == nil {
		body["properties"] = map[string]any{}
	}
	return Item{Kind: Object, Name: o.Name, Body: body}
}

// Whole is the document as the service takes it.
func (d Document) Whole() Namespace {
	out := Namespace{
		Name: d.Namespace, DisplayName: d.DisplayName, Description: d.Description,
		Visibility: d.Visibility, Protected: d.Protected, Owner: d.Owner,
	}
	for _, a := range d.Associations {
		out.Associations = append(out.Associations, &Association{ResourceType: a.Name, Prefix: a.Prefix, PropertiesTarget: a.PropertiesTarget})
	}
	for name, body := range d.Properties {
		out.Properties = append(out.Properties, &Item{Kind: Property, Name: name, Body: body})
	}
	for _, o := range d.Objects {
		it := o.Item()
		out.Objects = append(out.Objects, &it)
	}
	for _, t := range d.Tags {
		out.Tags = append(out.Tags, &Item{Kind: Tag, Name: t.Name, Body: map[string]any{}})
	}
	return out
}

// Seed puts the standard catalogue into a database that has not had it.
func (s *Service) Seed(ctx context.Context) error {
	var list []Document
	if err := json.Unmarshal(standard, &list); err != nil {
		return fmt.Errorf("standard catalogue: %w", err)
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		seed, err := s.Tables.Seeds.Get(ctx, tx, "standard")
		if err == nil && seed.Version >= standardVersion {
			return nil
		}
		first := errs.Is(err, errs.NotFound)
		if err != nil && !first {
			return err
		}
		for _, doc := range list {
			if taken, err := s.Tables.Namespaces.Any(ctx, tx, store.Eq("name", doc.Namespace)); err != nil || taken {
				if err != nil {
					return err
				}
				continue
			}
			n := doc.Whole()
			if err := n.validate(); err != nil {
				return fmt.Errorf("%s: %w", doc.Namespace, err)
			}
			if err := s.Namespaces.add(ctx, tx, &n); err != nil {
				return fmt.Errorf("%s: %w", doc.Namespace, err)
			}
		}
		seed = &SeedRow{Catalogue: "standard", Version: standardVersion}
		if first {
			return s.Tables.Seeds.Insert(ctx, tx, seed)
		}
		return s.Tables.Seeds.Update(ctx, tx, seed)
	})
}
