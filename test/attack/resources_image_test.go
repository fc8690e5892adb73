package attack

var imageResources = []resource{
	{
		name: "image", create: "POST image /v2/images", id: "id", then: upload,
		body: `{"name":"$mark-image","disk_format":"raw","container_format":"bare"}`,
		under: []string{
			"image images", "image cache", "image nodes", "image cached_images", "image queued_images", "image {image_id}",
			"compute images",
		},
		item: "image /v2/images/$that.image", method: "PATCH", update: `[{"op":"add","path":"/name","value":"n"}]`,
		uses: []string{
			`POST compute /v2.1/servers {"server":{"name":"n","imageRef":"$that.image","flavorRef":"$flavor","networks":"none"}}`,
			`POST compute /v2.1/servers/$own.server/action {"rebuild":{"imageRef":"$that.image"}}`,
		},
		// Glance lets its user name an image by an id, and has properties of any name.
		maySet: []string{"id", "*"},
	},
	{
		name: "image_member", create: "POST image /v2/images/$own.image/members", body: `{"member":"$friend"}`, id: "member_id",
		under: []string{"image members"}, item: "image /v2/images/$that.image/members/$that.image_member",
	},
	{
		name: "namespace", byAdmin: true, create: "POST image /v2/metadefs/namespaces", id: "namespace",
		body:  `{"namespace":"ns-$own.project","description":"$mark","visibility":"private","owner":"$own.project"}`,
		under: []string{"image namespaces"}, item: "image /v2/metadefs/namespaces/$that.namespace",
	},
}
