package api

import (
	"encoding/json"

	"kumoi/internal/kernel/rest"
)

// createSchema is the body of POST /servers, as each version has it.
var createSchema = perVersion(func(minor int) object {
	network := object{"fixed_ip": anyIP, "port": nullable(uuidType), "uuid": uuidType}
	device := deviceProperties()
	// Nova lost the tags of devices in 2.33, those of ports in 2.37, and found both again in 2.42.
	if minor >= 32 && minor < 37 || minor >= 42 {
		network["tag"] = tagType
	}
	if minor == 32 || minor >= 42 {
		device["tag"] = tagType
	}
	if minor >= 67 {
		device["volume_type"] = object{"type": list{"string", "null"}, "minLength": 0, "maxLength": 255}
	}
	networks := object{"type": "array", "items": strict(nil, network)}
	if minor >= 37 {
		networks = object{"oneOf": list{networks, object{"type": "string", "enum": list{"none", "auto"}}}}
	}
	p := object{
		"name": nameType, "imageRef": object{"type": "string", "format": "uuid-or-empty"},
		"flavorRef": object{"type": list{"string", "integer"}, "minLength": 1}, "adminPass": passType, "metadata": metaType,
		"networks": networks, "OS-DCF:diskConfig": diskConfig, "accessIPv4": ipv4Type, "accessIPv6": ipv6Type,
		"availability_zone": object{"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}, "block_device_mapping": object{"type": "array", "items": object{"type": "object", "properties": legacyDevice}},
		"block_device_mapping_v2": object{"type": "array", "items": strict(nil, device)}, "config_drive": boolType,
		"key_name": nameType, "min_count": whole(1, 0x7fffffff), "max_count": whole(1, 0x7fffffff), "return_reservation_id": boolType,
		"security_groups": object{"type": "array", "items": object{"type": "object", "properties": object{
			"name": object{"type": "string", "minLength": 1, "maxLength": 255},
		}, "additionalProperties": false}}, "user_data": userData,
	}
	required := list{"name", "flavorRef"}
	if minor >= 19 {
		p["description"] = descType
	}
	if minor >= 37 {
		required = append(required, "networks")
	}
	if minor >= 52 {
		p["tags"] = object{"type": "array", "items": tagType, "maxItems": 50}
	}
	if minor < 57 {
		p["personality"] = filesType
	}
	if minor >= 63 {
		p["trusted_image_certificates"] = certsType
	}
	if minor >= 74 {
		p["host"], p["hypervisor_hostname"] = hostType, hostType
	}
	if minor >= 94 {
		p["hostname"] = fqdnType
	} else if minor >= 90 {
		p["hostname"] = labelType
	}
	hints := object{"type": "object", "properties": object{
		"group": uuidType, "different_host": hostHint, "same_host": hostHint, "query": object{"type": list{"string", "object"}},
		"target_cell": object{"type": "string"}, "different_cell": object{"type": list{"string", "array"}},
		"build_near_host_ip": anyIP, "cidr": object{"type": "string", "pattern": `^/[0-9a-f.:]+$`},
	}}
	return object{
		"type": "object", "required": list{"server"}, "additionalProperties": false, "properties": object{
			"server": strict(required, p), "os:scheduler_hints": hints, "OS-SCH-HNT:scheduler_hints": hints,
		},
	}
})

var hostHint = object{"anyOf": list{uuidType, object{"type": "array", "items": uuidType}}}

type createBody struct {
	Server   serverBody     `json:"server"`
	Hints    map[string]any `json:"os:scheduler_hints"`
	HintsOld map[string]any `json:"OS-SCH-HNT:scheduler_hints"`
}

// serverBody is a new server as its request describes it.
type serverBody struct {
	Name          string                  `json:"name"`
	Image         string                  `json:"imageRef"`
	Flavor        rest.Text               `json:"flavorRef"`
	AdminPass     string                  `json:"adminPass"`
	Metadata      map[string]string       `json:"metadata"`
	Networks      json.RawMessage         `json:"networks"`
	DiskConfig    string                  `json:"OS-DCF:diskConfig"`
	AccessIPv4    string                  `json:"accessIPv4"`
	AccessIPv6    string                  `json:"accessIPv6"`
	Zone          string                  `json:"availability_zone"`
	OldDevices    []oldDeviceBody         `json:"block_device_mapping"`
	Devices       []deviceBody            `json:"block_device_mapping_v2"`
	ConfigDrive   rest.Bool               `json:"config_drive"`
	KeyName       string                  `json:"key_name"`
	Min           rest.Int                `json:"min_count"`
	Max           rest.Int                `json:"max_count"`
	ReservationID rest.Bool               `json:"return_reservation_id"`
	Groups        []struct{ Name string } `json:"security_groups"`
	UserData      string                  `json:"user_data"`
	Description   *string                 `json:"description"`
	Tags          []string                `json:"tags"`
	Personality   []fileBody              `json:"personality"`
	Certificates  []string                `json:"trusted_image_certificates"`
	Host          string                  `json:"host"`
	Node          string                  `json:"hypervisor_hostname"`
	Hostname      string                  `json:"hostname"`
}

type networkBody struct {
	UUID    string  `json:"uuid"`
	Port    *string `json:"port"`
	FixedIP string  `json:"fixed_ip"`
	Tag     string  `json:"tag"`
}

type fileBody struct {
	Path     string `json:"path"`
	Contents string `json:"contents"`
}
