package app

import (
	"encoding/json"
	"strings"
	"testing"
)

// A store is described the same way on the command line and in the file.
func TestImageStoreForms(t *testing.T) {
	want := ImageStore{ID: "far", Type: "s3", Weight: 3, Endpoint: "https://s3.example.com", Bucket: "images", AccessKey: "k", CreateBucket: true}
	var byText, byJSON, byString ImageStore
	text := "id=far, type=s3,weight=3,endpoint=https://s3.example.com,bucket=images,access-key=k,create-bucket=true"
	if err := byText.UnmarshalText([]byte(text)); err != nil || byText != want {
		t.Errorf("by text: %+v, %v", byText, err)
	}
	object := `{"id":"far","type":"s3","weight":3,"endpoint":"https://s3.example.com","bucket":"images","access-key":"k","create-bucket":true}`
	if err := json.Unmarshal([]byte(object), &byJSON); err != nil || byJSON != want {
		t.Errorf("by object: %+v, %v", byJSON, err)
	}
	if err := json.Unmarshal([]byte(`"`+text+`"`), &byString); err != nil || byString != want {
		t.Errorf("by string: %+v, %v", byString, err)
	}
}

func TestImageStoreRefusals(t *testing.T) {
	for text, complaint := range map[string]string{
		"id=a":                           "type must be",
		"id=a,type=tape":                 "type must be",
		"id=a,type=file,bucket=x":        "no key",
		"id=a,type=file,weight=heavy":    "weight",
		"id=a,type":                      "not key=value",
		"type=file,path=/x":              "id",
		"id=a/b,type=file,path=/x":       "id",
		"id=a,type=file,path=x":          "absolute",
		"id=a,type=s3,endpoint=http://x": "lacks its bucket",
		"id=a,type=rbd":                  "lacks its pool",
		"id=a,type=s3,endpoint=http://x,bucket=b,access-key=k,secret-key=s,secret-file=/f": "give one",
	} {
		var s ImageStore
		err := s.UnmarshalText([]byte(text))
		if err == nil {
			err = s.validate()
		}
		if err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v, want %q", text, err, complaint)
		}
	}
	twice := ImageSettings{Stores: []ImageStore{{ID: "a", Type: "http"}, {ID: "a", Type: "http"}}}
	if err := twice.validate(); err == nil || !strings.Contains(err.Error(), "two stores") {
		t.Errorf("one id twice: %v", err)
	}
	other := ImageSettings{Stores: []ImageStore{{ID: "a", Type: "http"}}, DefaultStore: "b"}
	if err := other.validate(); err == nil || !strings.Contains(err.Error(), "there are a") {
		t.Errorf("unknown default: %v", err)
	}
}

// Every key of the table has a field, and what is left out is as by default.
func TestImageSettings(t *testing.T) {
	for kind, keys := range storeKeys.types {
		for _, key := range keys {
			if (&ImageStore{}).field(key) == nil {
				t.Errorf("key %s of type %q has no field", key, kind)
			}
		}
	}
	none := int64(0)
	cfg := &Config{DataDir: "/x", Host: "h", Region: "R", Images: ImageSettings{SizeCapGiB: 2, StoreCacheGiB: &none, Convert: "raw"}}
	c, err := cfg.Images.config(cfg)
	if err != nil || c.SizeCap != 2<<30 || c.CacheSize != 0 || c.Convert != "raw" || c.Region != "R" || c.Node != "h" || len(c.ImportMethods) != 4 {
		t.Errorf("%+v, %v", c, err)
	}
	cfg.Images.Convert = "tape"
	if _, err := cfg.Images.config(cfg); err == nil {
		t.Error("a format that nothing converts to is taken")
	}
}
