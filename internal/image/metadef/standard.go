package metadef

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"kumoi/internal/kernel/ids"
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

// Detail is the document as the service takes it.
func (d Document) Detail() Detail {
	out := Detail{Namespace: Namespace{
		Name: d.Namespace, DisplayName: d.DisplayName, Description: d.Description,
		Visibility: d.Visibility, Protected: d.Protected, Owner: d.Owner,
	}}
	for _, a := range d.Associations {
		out.Associations = append(out.Associations, Association{ResourceType: a.Name, Prefix: a.Prefix, PropertiesTarget: a.PropertiesTarget})
	}
	for name, body := range d.Properties {
		out.Properties = append(out.Properties, Item{Kind: Property, Name: name, Body: body})
	}
	for _, o := range d.Objects {
		out.Objects = append(out.Objects, o.Item())
	}
	for _, t := range d.Tags {
		out.Tags = append(out.Tags, Item{Kind: Tag, Name: t.Name, Body: map[string]any{}})
	}
	return out
}

// Seed puts the standard catalogue into a database that has not had it.
func (s *Service) Seed(ctx context.Context) error {
	var list []Document
	if err := json.Unmarshal(standard, &list); err != nil {
		return fmt.Errorf("standard catalogue: %w", err)
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		n, err := s.store.Standard(ctx, tx)
		if err != nil || n >= standardVersion {
			return err
		}
		for _, doc := range list {
			if _, err := s.store.Namespace(ctx, tx, doc.Namespace); err == nil {
				continue
			}
			d := doc.Detail()
			if err := validate(&d); err != nil {
				return fmt.Errorf("%s: %w", doc.Namespace, err)
			}
			d.ID, d.CreatedAt = ids.New(), s.now()
			d.UpdatedAt = d.CreatedAt
			if err := s.add(ctx, tx, &d); err != nil {
				return fmt.Errorf("%s: %w", doc.Namespace, err)
			}
		}
		return s.store.SetStandard(ctx, tx, standardVersion)
	})
}
