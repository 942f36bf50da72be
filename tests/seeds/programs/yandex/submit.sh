# Follows Yandex Cloud's page "Sending an asynchronous request": the first command of its REST example.
export FOLDER_ID=<folder_ID>
export IAM_TOKEN=<IAM_token>
curl \
  --request POST \
  --header "Content-Type: application/json" \
  --header "Authorization: Bearer ${IAM_TOKEN}" \
  --header "x-folder-id: ${FOLDER_ID}" \
  --data "@<path_to_JSON_file>" \
  "https://llm.api.cloud.yandex.net/foundationModels/v1/completionAsync"
